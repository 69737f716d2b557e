/** Certificates: whom they name, and how an authority is replaced while everybody goes on. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { POD, QUORATE_CLUSTER, SECRET } from "../../../operator/api/resources.ts";
import { ROTATE_ANNOTATION } from "../../../operator/cluster/operation/authority.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

const TLS = { unsafe: { plaintext: false } };
const DAY_MS = 86_400_000;

function textOf({ api }: Sandbox, name: string, key: string): string {
  const secret = api.store.get(SECRET, { namespace: NAMESPACE, name }) as Secret | null;
  return Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
}

function certificateOf(sandbox: Sandbox, name: string): X509Certificate {
  return new X509Certificate(textOf(sandbox, name, "tls.crt"));
}

function podUids({ api }: Sandbox): (string | undefined)[] {
  return api.store.all(POD).map(({ metadata }) => metadata.uid);
}

describe("a cluster's certificates", () => {
  it("name the members and the Service in every way in which they are reached", async () => {
    await settled(
      81,
      async (sandbox) => {
        const server = certificateOf(sandbox, "kv-server-tls");
        const peer = certificateOf(sandbox, "kv-peer-tls");
        for (const pod of ["kv-0", "kv-6"])
          for (const domain of ["svc", "svc.cluster.local"]) {
            const host = `${pod}.kv-peers.data.${domain}`;
            assert.notEqual(server.checkHost(host), undefined, host);
            assert.notEqual(peer.checkHost(host), undefined, host);
          }
        for (const host of ["kv-client", "kv-client.data", "kv-client.data.svc", "kv.example.com"])
          assert.notEqual(server.checkHost(host), undefined, host);
        assert.equal(server.checkIP("127.0.0.1"), "127.0.0.1");
        const authority = certificateOf(sandbox, "kv-ca");
        for (const name of ["kv-client-tls", "kv-operator-tls"])
          assert.ok(certificateOf(sandbox, name).verify(authority.publicKey), name);
        await sandbox.time.run(1);
      },
      { ...TLS, tls: { client: { extraNames: ["kv.example.com"] } } },
    );
  });

  it("are made anew at two thirds of their life, and no pod restarts", async () => {
    await settled(
      82,
      async (sandbox) => {
        const before = certificateOf(sandbox, "kv-peer-tls");
        const pods = podUids(sandbox);
        const end = Date.parse(before.validTo);
        const reconciler = { ...sandbox.reconciler(), now: () => end - 100 * DAY_MS };
        const stop = new AbortController();
        const operating = sandbox.operate(reconciler, stop.signal);
        await sandbox.time.until("renewed", MINUTE, () => {
          return certificateOf(sandbox, "kv-peer-tls").serialNumber !== before.serialNumber;
        });
        await sandbox.time.run(MINUTE);
        stop.abort();
        await sandbox.time.run(10);
        await operating;
        assert.deepEqual(podUids(sandbox), pods);
      },
      TLS,
    );
  });

  it("come from another authority when a person says so, and at no moment does a member refuse another", async () => {
    await settled(
      83,
      async (sandbox) => {
        const before = textOf(sandbox, "kv-ca", "tls.crt");
        const pods = podUids(sandbox);
        const ref = { namespace: NAMESPACE, name: CLUSTER };
        const metadata = { annotations: { [ROTATE_ANNOTATION]: "1" } };
        sandbox.api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
        const strangers = new Set<string>();
        let most = 0;
        await sandbox.time.until("rotated", 20 * MINUTE, () => {
          for (const each of sandbox.world.tls.strangers()) strangers.add(each);
          const held = sandbox.world.tls.report("kv-0", sandbox.time.now()).peer;
          most = Math.max(most, held?.authorities.length ?? 0);
          const last = sandbox.journal?.history.at(-1);
          return last?.type === "RotateAuthority" && sandbox.isSettled(3);
        });
        assert.equal(sandbox.journal?.history.at(-1)?.outcome, "Done");
        assert.deepEqual([...strangers], []);
        assert.equal(most, 2, "both were trusted for a while");
        const bundle = textOf(sandbox, "kv-peer-tls", "ca.crt");
        assert.equal(bundle, textOf(sandbox, "kv-ca", "tls.crt"));
        assert.notEqual(bundle, before);
        assert.deepEqual(podUids(sandbox), pods);
        await sandbox.time.run(5 * MINUTE);
        const again = sandbox.journal?.history.filter(({ type }) => type === "RotateAuthority");
        assert.equal(again?.length, 1, "once for each word");
      },
      TLS,
    );
  });
});
