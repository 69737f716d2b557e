/** Answers that become ready together: each client gets its own. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { putRequest, rangeRequest, requestOp, txnRequest } from "../../../../src/api/gen/kv.ts";
import { leaseGrantRequest, leaseTimeToLiveRequest } from "../../../../src/api/gen/lease.ts";
import { KV, Lease } from "../../../../src/api/gen/methods.ts";
import { TokenClient } from "../auth/token-client.ts";
import { awaitLeader, withMembers } from "./support.ts";

const COUNT = 40;
const places = Array.from({ length: COUNT }, (_, at) => at);
const keyAt = (at: number): Buffer => Buffer.from(`key-${at}`);
const valueAt = (at: number): Buffer => Buffer.from(`value ${at} `.repeat(1 + (at % 7)));

async function withTyped(
  member: { readonly endpoint: string } | undefined,
  body: (client: TokenClient) => Promise<void>,
): Promise<void> {
  assert.ok(member !== undefined);
  const client = new TokenClient(member.endpoint);
  try {
    await body(client);
  } finally {
    client.close();
  }
}

/** Reads one key in a transaction that also writes, so that it goes through the log. */
async function readInTxn(client: TokenClient, at: number): Promise<Buffer> {
  const value = rangeRequest({ key: keyAt(at) });
  const touch = putRequest({ key: Buffer.from("touched") });
  const { responses } = await client.ask(
    KV.txn,
    txnRequest({
      success: [
        requestOp({ request: { kind: "requestRange", value } }),
        requestOp({ request: { kind: "requestPut", value: touch } }),
      ],
    }),
  );
  const response = responses[0]?.response;
  assert.ok(response?.kind === "responseRange");
  return Buffer.concat(response.value.kvs.map((kv) => kv.value));
}

describe("answers that are ready in one turn", () => {
  it("are each client's own: of transactions whose values are read from the store", async () => {
    await withMembers(1, ["--value-cache-bytes=0"], async ({ members: [member] }) => {
      await withTyped(member, async (client) => {
        for (const at of places) {
          await client.ask(KV.put, putRequest({ key: keyAt(at), value: valueAt(at) }));
        }
        for (let round = 0; round < 5; round++) {
          const read = await Promise.all(places.map((at) => readInTxn(client, at)));
          assert.deepEqual(read, places.map(valueAt));
        }
      });
    });
  });

  it("are each client's own: of what a follower asks the leader about leases", async () => {
    await withMembers(3, [], async (cluster) => {
      const leader = await awaitLeader(cluster);
      await withTyped(
        cluster.members.find((member) => member !== leader),
        async (client) => {
          const ids = places.map((at) => BigInt(at + 1));
          for (const id of ids) {
            await client.ask(Lease.leaseGrant, leaseGrantRequest({ id, ttl: 1_000 + Number(id) }));
          }
          for (let round = 0; round < 5; round++) {
            const times = await Promise.all(
              ids.map((id) => client.ask(Lease.leaseTimeToLive, leaseTimeToLiveRequest({ id }))),
            );
            assert.deepEqual(
              times.map(({ id, grantedTtl }) => [id, grantedTtl]),
              ids.map((id) => [id, 1_000 + Number(id)]),
            );
          }
        },
      );
    });
  });
});
