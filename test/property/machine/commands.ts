/** Arbitrary commands over few keys, so that they meet. */
import fc from "fast-check";

import {
  clusterVersionSet,
  memberAttributes,
  membershipChange,
  storedMember,
  type CommandKind,
} from "../../../src/api/gen/command.ts";
import {
  compactionRequest,
  compare,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
  txnRequest,
} from "../../../src/api/gen/kv.ts";
import type { Compare, PutRequest, RequestOp, TxnRequest } from "../../../src/api/gen/kv.ts";
import { leaseGrantRequest, leaseRevokeRequest } from "../../../src/api/gen/lease.ts";
import { alarmRequest } from "../../../src/api/gen/maintenance.ts";

function text(of: string): Uint8Array {
  return Buffer.from(of, "latin1");
}

const KEYS = ["a", "b", "c", "ca", "d", "\xff"];
const key = fc.constantFrom(...KEYS).map(text);
const rangeEnd = fc.constantFrom("", "", "b", "cb", "e", "\0").map(text);
const value = fc.constantFrom("", "x", "y", "v".repeat(200)).map(text);
const leaseId = fc.constantFrom(1n, -1n, -0x8000000000000000n);
const revision = fc.integer({ min: 0, max: 25 });

const put: fc.Arbitrary<PutRequest> = fc
  .record({
    key,
    value,
    lease: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, leaseId),
    prevKv: fc.boolean(),
    ignore: fc.constantFrom("", "", "", "value", "lease", "both"),
  })
  .map(({ ignore, ...request }) => {
    const ignoreValue = ignore === "value" || ignore === "both";
    const ignoreLease = ignore === "lease" || ignore === "both";
    return putRequest({
      ...request,
      ignoreValue,
      ignoreLease,
      value: ignoreValue ? text("") : request.value,
      lease: ignoreLease ? 0n : request.lease,
    });
  });

const deleteRange = fc
  .record({ key, rangeEnd, prevKv: fc.boolean() })
  .map((request) => deleteRangeRequest(request));

const range = fc
  .record({ key, rangeEnd, revision: fc.oneof(fc.constant(0), revision) })
  .map((request) => rangeRequest(request));

const oneCompare: fc.Arbitrary<Compare> = fc
  .record({
    key,
    rangeEnd,
    result: fc.integer({ min: 0, max: 3 }),
    target: fc.integer({ min: 0, max: 4 }),
    number: fc.integer({ min: 0, max: 4 }),
    bytes: value,
    lease: fc.oneof(fc.constant(0n), leaseId),
  })
  .map(({ number, bytes, lease, ...of }) => {
    const unions = [
      { kind: "version", value: number },
      { kind: "createRevision", value: number },
      { kind: "modRevision", value: number },
      { kind: "value", value: bytes },
      { kind: "lease", value: lease },
    ] as const;
    return compare({ ...of, targetUnion: unions[of.target] ?? null });
  });

/** Puts of one transaction must not meet each other nor a deletion: what breaks that is refused before it is proposed. */
function withoutDuplicates(request: TxnRequest): TxnRequest {
  const seen = new Set<string>();
  return { ...request, ...keepUnique(request, seen) };
}

function keepUnique(
  request: TxnRequest,
  seen: Set<string>,
): { success: RequestOp[]; failure: RequestOp[] } {
  const keep = (ops: readonly RequestOp[]): RequestOp[] =>
    ops.flatMap(({ request: op }): RequestOp[] => {
      if (op?.kind === "requestPut") {
        const name = Buffer.from(op.value.key).toString("latin1");
        if (seen.has(name)) return [];
        seen.add(name);
      } else if (op?.kind === "requestTxn") {
        const inner = { ...op.value, ...keepUnique(op.value, seen) };
        return [{ request: { kind: "requestTxn", value: inner } }];
      }
      return [{ request: op }];
    });
  return { success: keep(request.success), failure: keep(request.failure) };
}

const { txn } = fc.letrec<{ txn: TxnRequest; op: RequestOp }>((tie) => ({
  txn: fc
    .record({
      compare: fc.array(oneCompare, { maxLength: 2 }),
      success: fc.array(tie("op"), { maxLength: 4 }),
      failure: fc.array(tie("op"), { maxLength: 3 }),
    })
    .map((request) => txnRequest(request)),
  op: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    put.map((request) => ({ request: { kind: "requestPut" as const, value: request } })),
    range.map((request) => ({ request: { kind: "requestRange" as const, value: request } })),
    deleteRange.map((request) => ({
      request: { kind: "requestDeleteRange" as const, value: request },
    })),
    tie("txn").map((request) => ({ request: { kind: "requestTxn" as const, value: request } })),
  ),
}));

const grant = fc
  .record({
    id: fc.oneof({ weight: 6, arbitrary: leaseId }, fc.constant(0n)),
    ttl: fc.constantFrom(1, 60, 3_600, 9_000_000_000, 9_000_000_001),
  })
  .map((request) => leaseGrantRequest(request));

const alarm = fc
  .record({
    action: fc.constantFrom(0, 1, 2, 2, 2),
    memberId: fc.constantFrom(0xffffffffffffffffn),
    alarm: fc.constantFrom(0, 1, 2),
  })
  .map((request) => alarmRequest(request));

const memberId = fc.constantFrom(1n, 2n, 0xfffffffffffffff0n);
const membership = fc
  .record({
    kind: fc.constantFrom(0, 1, 1, 2, 3, 4),
    member: fc
      .record({
        id: memberId,
        peerUrls: fc.constantFrom(["http://a:1"], ["http://b:1"], ["http://c:1", "http://d:1"]),
      })
      .map((member) => storedMember(member)),
  })
  .map((change) => membershipChange(change));

/** Every kind of command that this release proposes. */
export const anyCommand: fc.Arbitrary<CommandKind> = fc.oneof(
  { weight: 8, arbitrary: put.map((of) => ({ kind: "put" as const, value: of })) },
  { weight: 3, arbitrary: deleteRange.map((of) => ({ kind: "deleteRange" as const, value: of })) },
  {
    weight: 6,
    arbitrary: txn.map((of) => ({ kind: "txn" as const, value: withoutDuplicates(of) })),
  },
  {
    weight: 2,
    arbitrary: revision.map((of) => ({
      kind: "compaction" as const,
      value: compactionRequest({ revision: of }),
    })),
  },
  { weight: 4, arbitrary: grant.map((of) => ({ kind: "leaseGrant" as const, value: of })) },
  {
    weight: 2,
    arbitrary: leaseId.map((id) => ({
      kind: "leaseRevoke" as const,
      value: leaseRevokeRequest({ id }),
    })),
  },
  { weight: 1, arbitrary: alarm.map((of) => ({ kind: "alarm" as const, value: of })) },
  { weight: 2, arbitrary: membership.map((of) => ({ kind: "membership" as const, value: of })) },
  {
    weight: 1,
    arbitrary: memberId.map((id) => ({
      kind: "memberAttributes" as const,
      value: memberAttributes({ id, name: `m${id}`, clientUrls: ["http://x:2"] }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("3.6.0", "3.7.0").map((version) => ({
      kind: "clusterVersion" as const,
      value: clusterVersionSet({ version }),
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.boolean(), fc.constantFrom("3.5.0", "3.6.0"))
      .map(([enabled, targetVersion]) => ({
        kind: "downgrade" as const,
        value: { enabled, targetVersion },
      })),
  },
);
