/** The client under TLS, and with a user, at one real member that is restarted. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Cluster } from "../../conformance/support/cluster.ts";
import { newAuthority, Pki } from "../../conformance/support/tls.ts";
import { until } from "../../conformance/support/tools.ts";
import { Client, ClientError, type TlsOptions } from "../../../src/client/client.ts";
import { QUICK } from "../node/process/support.ts";
import { Wire, withLibrary } from "./support.ts";

describe("a client under mutual TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-client-tls-"));
  const pki = new Pki(folder);
  let cluster: Cluster;
  const files: TlsOptions = {
    ca: { file: pki.path("ca.pem") },
    cert: { file: pki.path("client.pem") },
    key: { file: pki.path("client.key") },
  };

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: QUICK, tls: pki });
  });
  after(async () => {
    await cluster.stop({ keep: false });
    rmSync(folder, { recursive: true });
  });

  const url = (): string => cluster.member(0).clientUrl;

  it("is let in with files, with PEM text, and without a scheme in its endpoint", async () => {
    const text = { ca: pki.trusted, cert: pki.client.certificate, key: pki.client.key };
    for (const tls of [files, text]) {
      for (const endpoint of [url(), cluster.member(0).endpoint]) {
        await withLibrary({ endpoints: [endpoint], tls }, async (client) => {
          await client.kv.put("k", "v");
          assert.equal((await client.kv.get("k"))?.text, "v");
        });
      }
    }
  });

  it("is told why there is no connection", async () => {
    const stranger = newAuthority("stranger").certificate;
    const cases: [TlsOptions, RegExp][] = [
      [{ ...files, ca: stranger }, /no connection to https:\S+: .*(certificate|signature)/],
      [{ ca: files.ca }, /no connection to https:/],
    ];
    for (const [tls, reason] of cases) {
      await withLibrary({ endpoints: [url()], tls, timeoutMs: 700 }, async (client) => {
        await assert.rejects(client.kv.get("k"), { code: "deadlineExceeded", message: reason });
      });
    }
    await withLibrary({ endpoints: ["127.0.0.1:1"], timeoutMs: 300 }, async (client) => {
      await assert.rejects(client.kv.put("k", "v"), {
        message: /no connection to 127\.0\.0\.1:1: connect ECONNREFUSED/,
        outcomeUnknown: false,
      });
    });
  });

  it("takes new files for new connections, and its watches go on", async () => {
    await withLibrary({ endpoints: [url()], tls: files, attemptTimeoutMs: 500 }, async (client) => {
      const watch = client.watch("reloaded");
      await watch.started;
      const old = pki.authority;
      pki.authority = newAuthority("next root");
      pki.renew();
      pki.writeTrusted(`${old.certificate}${pki.authority.certificate}`);
      client.reloadTls();
      await client.kv.put("reloaded", "x");
      for await (const { events } of watch) {
        assert.equal(events[0]?.row.text, "x");
        break;
      }
      pki.writeTrusted(pki.authority.certificate);
      await cluster.member(0).stop("SIGKILL");
      cluster.restart(cluster.member(0));
      // The old client certificate would be refused now.
      client.reloadTls();
      await client.kv.put("reloaded", "y");
      const missing = { ...files, ca: { file: join(folder, "none.pem") } };
      assert.throws(() => client.reloadTls(missing), {
        code: "configuration",
        message: /none\.pem/,
      });
      await client.kv.put("reloaded", "z");
    });
  });
});

describe("a client with a user", () => {
  let cluster: Cluster;
  const root = { name: "root", password: "rootpw" };
  const anna = { name: "anna", password: "secret" };

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: QUICK });
    await withLibrary({ endpoints: [cluster.member(0).endpoint] }, async ({ auth }) => {
      await auth.addUser(root.name, root.password);
      await auth.addRole("root");
      await auth.grantRole("root", "root");
      await auth.addUser(anna.name, anna.password);
      await auth.addUser("certain", null);
      await auth.addRole("worker");
      await auth.grantPermission("worker", "readwrite", { prefix: "work/" });
      await auth.grantRole("anna", "worker");
      await auth.enable();
    });
  });
  after(() => cluster.stop({ keep: false }));

  const as = (
    user: { name: string; password: string } | undefined,
    endpoint: string = cluster.member(0).endpoint,
  ): Client => new Client({ endpoints: [endpoint], user, attemptTimeoutMs: 1_000 });

  it("sees and changes what the user may", async () => {
    await using admin = as(root);
    assert.deepEqual(await admin.auth.users(), ["anna", "certain", "root"]);
    assert.deepEqual(await admin.auth.roles(), ["root", "worker"]);
    assert.deepEqual(await admin.auth.rolesOf("anna"), ["worker"]);
    const [permission] = await admin.auth.permissionsOf("worker");
    assert.equal(String(permission?.key), "work/");
    assert.equal((await admin.auth.status()).enabled, true);
    await using worker = as(anna);
    await worker.kv.put("work/1", "x");
    assert.equal((await worker.kv.get("work/1"))?.text, "x");
    await assert.rejects(worker.kv.get("other"), { code: "permissionDenied" });
    const watch = worker.watch("other");
    await assert.rejects(
      watch.run(() => {}),
      (error) => error instanceof ClientError && error.is("permissionDenied"),
    );
  });

  it("is refused with a wrong password, and without one", async () => {
    await using wrong = as({ ...anna, password: "guess" });
    await assert.rejects(wrong.kv.get("work/1"), (error) => {
      assert.ok(error instanceof ClientError && error.is("authFailed"));
      assert.ok(!JSON.stringify(error).includes("guess"), "no password in an error");
      return true;
    });
    const watch = wrong.watch("work/1");
    await assert.rejects(
      watch.run(() => {}),
      (error) => error instanceof ClientError && error.is("authFailed"),
    );
    await using nobody = as(undefined);
    await assert.rejects(nobody.kv.get("work/1"), (error) => {
      assert.ok(error instanceof ClientError && error.is("userEmpty"));
      return true;
    });
  });

  it("gets another token when its own is forgotten, for calls, watches and leases", async () => {
    const wire = await Wire.open(cluster.member(0).endpoint);
    await using worker = as(anna, wire.endpoint);
    await using admin = as(root);
    const watch = worker.watch({ prefix: "work/" });
    await watch.started;
    const lost: unknown[] = [];
    const grantedAt = performance.now();
    const lease = await worker.leases.keep(2, { onLost: (error) => lost.push(error) });
    await worker.kv.put("work/session", "x", { lease: lease.id });
    // Ends all tokens of the user; the streams come back with one of them.
    await admin.auth.changePassword(anna.name, anna.password);
    wire.cut();
    assert.equal((await worker.kv.get("work/session"))?.text, "x");
    await worker.kv.put("work/2", "y");
    const seen: string[] = [];
    for await (const { events } of watch) {
      for (const { row } of events) seen.push(row.keyText);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen, ["work/session", "work/2"]);
    await until("the lease outlives its first term", 6_000, () => {
      return performance.now() - grantedAt > 2_500;
    });
    assert.deepEqual(lost, []);
    assert.ok((await worker.kv.get("work/session")) !== null);
    await lease.revoke();
    wire.close();
  });
});
