/** Users and their secrets in members as processes: what is written down, and what survives. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  authUserAddRequest,
  authUserChangePasswordRequest,
} from "../../../../src/api/gen/auth-service.ts";
import { putRequest, rangeRequest } from "../../../../src/api/gen/kv.ts";
import { Auth, KV, Maintenance } from "../../../../src/api/gen/methods.ts";
import { Client, type UserPassword } from "../../../../src/client/client.ts";
import { Cluster, type Member } from "../../../conformance/support/cluster.ts";
import { Pki } from "../../../conformance/support/tls.ts";
import { until } from "../../../conformance/support/tools.ts";
import { onPrefix } from "../auth/auth-member.ts";
import { TokenClient } from "../auth/token-client.ts";
import { awaitLeader, withMembers } from "./support.ts";

const COST = "--bcrypt-cost=4";

function secret(): string {
  return randomBytes(9).toString("hex");
}

async function withToken<T>(member: Member, body: (client: TokenClient) => Promise<T>): Promise<T> {
  const client = new TokenClient(member.endpoint);
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

async function login(client: TokenClient, name: string, password: string): Promise<string> {
  const { token } = await client.ask(Auth.authenticate, { name, password });
  client.token = token;
  return token;
}

/** Root, and ann who may read and write below "a/". */
async function enable(client: TokenClient, root: string, ann: string): Promise<void> {
  await client.ask(Auth.userAdd, authUserAddRequest({ name: "root", password: root }));
  await client.ask(Auth.userGrantRole, { user: "root", role: "root" });
  await client.ask(Auth.userAdd, authUserAddRequest({ name: "ann", password: ann }));
  await client.ask(Auth.roleAdd, { name: "a" });
  await client.ask(Auth.roleGrantPermission, onPrefix("a", "a/"));
  await client.ask(Auth.userGrantRole, { user: "ann", role: "a" });
  await client.ask(Auth.authEnable, {});
}

/** Every file below `folder`. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** Where a text is written down, as it is or encoded. */
function traces(texts: ReadonlyMap<string, string>, of: string): string[] {
  const bytes = Buffer.from(of);
  const forms = [of, bytes.toString("base64").replace(/=+$/, ""), bytes.toString("hex")];
  return [...texts]
    .filter(([, text]) => forms.some((form) => text.includes(form)))
    .map(([name]) => name);
}

/** Uses secrets in every way there is; the answer is the secrets, and what clients were told. */
async function useSecrets(member: Member): Promise<{ secrets: string[]; told: string[] }> {
  const [root, ann, changed, wrong, long] = [secret(), secret(), secret(), secret(), secret()];
  const secrets = [root, ann, changed, wrong, long];
  const told: string[] = [];
  await withToken(member, async (client) => {
    await enable(client, root, ann);
    secrets.push(await login(client, "ann", ann));
    await client.ask(KV.put, putRequest({ key: Buffer.from("a/1") }));
    told.push(await client.refusal(KV.put, putRequest({ key: Buffer.from("b/1") })));
    told.push(await client.refusal(Auth.authenticate, { name: "ann", password: wrong }));
    told.push(await client.refusal(Auth.authenticate, { name: "nobody", password: wrong }));
    secrets.push(await login(client, "root", root));
    const tooLong = authUserAddRequest({ name: "long", password: long.repeat(5) });
    told.push(await client.refusal(Auth.userAdd, tooLong));
    const change = authUserChangePasswordRequest({ name: "ann", password: changed });
    await client.ask(Auth.userChangePassword, change);
    client.token = `${wrong}.7`;
    told.push(await client.refusal(KV.range, rangeRequest({ key: Buffer.from("a/1") })));
    secrets.push(await login(client, "ann", changed));
  });
  const post = async (path: string, body: object, token = ""): Promise<string> => {
    const headers = { authorization: token };
    const url = `${member.clientUrl}${path}`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(body), headers });
    return await response.text();
  };
  const answer = await post("/v3/auth/authenticate", { name: "ann", password: changed });
  const { token } = JSON.parse(answer) as { token: string };
  secrets.push(token);
  told.push(await post("/v3/kv/range", { key: "Yg==" }, token));
  told.push(await post("/v3/auth/authenticate", { name: "ann", password: wrong }));
  told.push(await post("/v3/kv/range", { key: "Yg==" }, `${wrong}.7`));
  told.push(await (await fetch(`${member.clientUrl}/metrics`)).text());
  return { secrets: secrets.flatMap((each) => [each, each.split(".")[0] ?? each]), told };
}

describe("no secret is written down", () => {
  for (const scheme of ["simple", "jwt"]) {
    it(`${scheme}: passwords and tokens are in no log, metric, error, log record or store`, async () => {
      const key = secret();
      const keyFile = join(tmpdir(), `quorate-key-${secret()}`);
      writeFileSync(keyFile, key);
      const options = scheme === "jwt" ? `jwt,sign-method=HS256,priv-key=${keyFile}` : scheme;
      const flags = ["--log-level=debug", COST, `--auth-token=${options}`, "--metrics=extensive"];
      await withMembers(1, flags, async (cluster) => {
        const member = cluster.member(0);
        const { secrets, told } = await useSecrets(member);
        await member.stop("SIGTERM");
        rmSync(keyFile);
        const texts = new Map(
          filesOf(cluster.folder).map((path) => [path, readFileSync(path, "latin1")]),
        );
        told.forEach((text, at) => texts.set(`answer ${at}`, text));
        for (const each of [...secrets, key]) assert.deepEqual(traces(texts, each), []);
        // The search would have found it: the name of the user is in log and log records.
        const names = traces(texts, "ann");
        assert.ok(
          names.some((name) => name.includes("wal")),
          "the log's records were searched",
        );
        assert.ok(
          names.some((name) => name.endsWith(".log")),
          "the log was searched",
        );
        assert.ok(told.some((text) => text.includes("etcd_debugging_auth_revision")));
      });
    });
  }
});

describe("users of three members", () => {
  it("are known everywhere at once, after a restart, and to whom a state was sent", async () => {
    const flags = [COST, "--snapshot-catchup-entries=10", "--wal-segment-bytes=4194304"];
    await withMembers(3, flags, async (cluster) => {
      const leader = await awaitLeader(cluster);
      const [behind, other] = cluster.members.filter((member) => member !== leader);
      assert.ok(behind !== undefined && other !== undefined);
      await withToken(leader, (client) => enable(client, "r", "a"));
      await tokenIsKnownEverywhere(cluster, leader);
      await behind.stop("SIGKILL");
      await changeWithout(leader);
      cluster.restart(behind);
      await behind.awaitHealthy();
      await withToken(behind, async (client) => {
        await until("the member that was behind knows the new password", 15_000, () =>
          login(client, "ann", "new").then(
            () => true,
            () => false,
          ),
        );
        // Judged by what it has itself: the role has lost its range, and got another.
        const there = rangeRequest({ key: Buffer.from("a/1"), serializable: true });
        assert.match(await client.refusal(KV.range, there), /permission denied/);
        await client.ask(KV.put, putRequest({ key: Buffer.from("c/1") }));
      });
      await revisionsAreEqual(cluster);
    });
  });
});

/** A token of one member is good at the others in the very next call. */
async function tokenIsKnownEverywhere(cluster: Cluster, leader: Member): Promise<void> {
  const token = await withToken(leader, (client) => login(client, "ann", "a"));
  for (const member of cluster.members) {
    await withToken(member, async (client) => {
      client.token = token;
      await client.ask(KV.put, putRequest({ key: Buffer.from("a/1") }));
      const here = rangeRequest({ key: Buffer.from("a/1"), serializable: true });
      await client.ask(KV.range, here);
    });
  }
}

/** More than what the log keeps for who is away. */
async function changeWithout(leader: Member): Promise<void> {
  await withToken(leader, async (client) => {
    await login(client, "root", "r");
    const { perm } = onPrefix("a", "a/");
    assert.ok(perm !== null);
    const gone = { role: "a", key: perm.key, rangeEnd: perm.rangeEnd };
    await client.ask(Auth.roleRevokePermission, gone);
    await client.ask(Auth.roleGrantPermission, onPrefix("a", "c/"));
    const change = authUserChangePasswordRequest({ name: "ann", password: "new" });
    await client.ask(Auth.userChangePassword, change);
    const value = randomBytes(64 * 1024);
    for (let at = 0; at < 100; at++) {
      await client.ask(KV.put, putRequest({ key: Buffer.from(`filler/${at}`), value }));
    }
  });
}

async function revisionsAreEqual(cluster: Cluster): Promise<void> {
  const found = new Set<string>();
  for (const member of cluster.members) {
    await withToken(member, async (client) => {
      await login(client, "root", "r");
      const { authRevision, enabled } = await client.ask(Auth.authStatus, {});
      const { hash } = await client.ask(Maintenance.hashKv, { revision: 0 });
      found.add(`${enabled} ${authRevision} ${hash}`);
    });
  }
  assert.equal(found.size, 1, [...found].join());
}

describe("where TLS is taken and plaintext too", () => {
  it("a certificate names a user as ever, and who comes without TLS is nobody but by password", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-both-"));
    const pki = new Pki(folder);
    const flags = [COST, "--client-allow-plaintext"];
    const cluster = await Cluster.start({ product: "quorate", members: 1, tls: pki, flags });
    const clients: Client[] = [];
    const { clientUrl } = cluster.member(0);
    const from = (url: string, user?: UserPassword): Client => {
      const { certificate: cert, key } = pki.client;
      const client = new Client({ endpoints: [url], tls: { ca: pki.trusted, cert, key }, user });
      clients.push(client);
      return client;
    };
    try {
      const password = secret();
      const named = from(clientUrl);
      await named.auth.addUser("root", password);
      await named.auth.grantRole("root", "root");
      // The common name of its certificate.
      await named.auth.addUser("client", null);
      await named.auth.addRole("a");
      await named.auth.grantPermission("a", "readwrite", { prefix: "a/" });
      await named.auth.grantRole("client", "a");
      await named.auth.enable();
      await named.kv.put("a/1", "x");
      const plain = clientUrl.replace("https:", "http:");
      await assert.rejects(from(plain).kv.get("a/1"), /user name is empty/);
      const root = from(plain, { name: "root", password });
      assert.equal((await root.kv.get("a/1"))?.text, "x");
      await assert.rejects(named.kv.get("b"), /permission denied/);
    } finally {
      for (const client of clients) client.close();
      await cluster.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
