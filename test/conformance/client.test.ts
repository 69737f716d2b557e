/** The client library against etcd and against us: one script, equal results. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Lock as LockService } from "../../src/api/gen/methods.ts";
import { Client, ClientError, CompactedError, compare, op } from "../../src/client/client.ts";
import { Wire } from "../unit/client/support.ts";
import type { Cluster } from "./support/cluster.ts";
import { withTwins } from "./support/twins.ts";

type Say = (...words: readonly unknown[]) => void;

/** The error's code, text and whether the outcome is open. */
async function failure(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ClientError)) return String(error);
  return `${error.name} ${error.code} ${error.message} ${error.outcomeUnknown}`;
}

async function keys(client: Client, say: Say): Promise<void> {
  say(await client.kv.put("a", "1"), await client.kv.put("a", "2", { previous: true }));
  say((await client.kv.get("a"))?.text, await client.kv.get("none"));
  for (let at = 0; at < 25; at++) await client.kv.put(`p/${String(at).padStart(2, "0")}`, "x");
  const { rows, revision } = await client.kv.getAll({ prefix: "p/" }, { pageSize: 10 });
  say(rows.length, revision, await client.kv.count({ from: "p/2" }));
  const txn = client.kv
    .txn()
    .if(compare.missing("t"))
    .do(op.put("t", "new"), op.range({ prefix: "t" }))
    .else(op.delete("t", { previous: true }));
  for (let at = 0; at < 2; at++) {
    const { succeeded, responses } = await txn.commit();
    say(
      succeeded,
      JSON.stringify(responses, (_, value: unknown) => plain(value)),
    );
  }
  await client.kv.compact(5);
  say(await failure(client.kv.get("a", { revision: 2 })), await failure(client.kv.put("", "x")));
  say(await failure(client.kv.compact(1000)), await failure(client.leases.revoke(77n)));
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

async function watches(client: Client, wire: Wire, say: Say): Promise<void> {
  const watch = client.watch({ prefix: "w/" }, { previous: true });
  await watch.started;
  for (let at = 0; at < 30; at++) {
    await client.kv
      .txn()
      .do(op.put(`w/${at}`, "x"), op.put("w/both", String(at)))
      .commit();
    if (at % 10 === 5) {
      wire.cut();
      await client.kv.get("w/0");
    }
  }
  const seen: string[] = [];
  for await (const { events } of watch) {
    for (const { row, previous } of events) seen.push(`${row.keyText}:${previous?.text ?? ""}`);
    if (seen.length >= 60) break;
  }
  say(seen);
  const old = client.watch("a", { fromRevision: 1 });
  const error: unknown = await old.run(() => {}).catch((thrown: unknown) => thrown);
  say(error instanceof CompactedError && error.compactRevision);
}

async function sessions(client: Client, say: Say): Promise<void> {
  const lease = await client.leases.keep(2);
  await client.kv.put("held", "x", { lease: lease.id });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  say((await client.kv.get("held"))?.text, lease.lost.aborted);
  await lease.revoke();
  say(await client.kv.get("held"));
  const held = await client.lock("mutex");
  say(await client.tryLock("mutex"));
  // The server's own service stands in the same queue.
  const other = await client.leases.keep(10);
  const request = { name: Buffer.from("mutex"), lease: other.id };
  const waiting = client.call(LockService.lock, request, "write");
  await new Promise((resolve) => setTimeout(resolve, 200));
  await held.unlock();
  const { key } = await waiting;
  say(String(key).startsWith("mutex/"), await client.tryLock("mutex"));
  await client.call(LockService.unlock, { key }, "write");
  await other.revoke();
  const election = client.election("chair");
  const leadership = await election.campaign("anna");
  await leadership.proclaim("anna again");
  say((await election.leader())?.text);
  await leadership.resign();
  say(await election.leader());
}

async function users(endpoint: string, client: Client, say: Say): Promise<void> {
  const root = { name: "root", password: "pw" };
  await client.auth.addUser(root.name, root.password);
  await client.auth.addRole("root");
  await client.auth.grantRole("root", "root");
  await client.auth.addUser("anna", "secret");
  await client.auth.addRole("reader");
  await client.auth.grantPermission("reader", "read", { prefix: "p/" });
  await client.auth.grantRole("anna", "reader");
  await client.auth.enable();
  say(await failure(client.kv.get("a")));
  await using admin = new Client({ endpoints: [endpoint], user: root });
  await using anna = new Client({
    endpoints: [endpoint],
    user: { name: "anna", password: "secret" },
  });
  say((await anna.kv.get("p/01"))?.text, await failure(anna.kv.put("p/01", "y")));
  say(await failure(anna.watch("a").run(() => {})));
  // Her tokens are gone with the change.
  await admin.auth.changePassword("anna", "secret");
  say((await anna.kv.get("p/02"))?.text, await admin.auth.rolesOf("anna"));
  await admin.auth.disable();
  say((await anna.kv.get("a"))?.text);
}

async function play(cluster: Cluster): Promise<string[]> {
  const lines: string[] = [];
  const say: Say = (...words) =>
    void lines.push(
      words.map((word) => JSON.stringify(word, (_, value) => plain(value))).join(" "),
    );
  const { endpoint } = cluster.member(0);
  const wire = await Wire.open(endpoint);
  const client = new Client({ endpoints: [wire.endpoint], attemptTimeoutMs: 2_000 });
  try {
    await keys(client, say);
    await watches(client, wire, say);
    await sessions(client, say);
    const [member] = await client.cluster.list();
    say(
      member?.name,
      (await client.maintenance.status()).version,
      await client.maintenance.alarms(),
    );
    await users(endpoint, client, say);
  } finally {
    client.close();
    wire.close();
  }
  return lines;
}

describe("the client library", () => {
  it("does the same with etcd and with Quorate", async () => {
    await withTwins({}, async (etcd, quorate) => {
      const [theirs, ours] = [await play(etcd), await play(quorate)];
      assert.ok(theirs.length > 20, "the script was played");
      assert.deepEqual(ours, theirs);
    });
  });
});
