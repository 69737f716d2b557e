import fc from "fast-check";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { API_ERRORS } from "../../../src/api/catalogue.ts";
import {
  deleteRangeRequest,
  putRequest,
  rangeRequest,
  requestOp,
  txnRequest,
} from "../../../src/api/gen/kv.ts";
import type { RequestOp, TxnRequest } from "../../../src/api/gen/kv.ts";
import { fromKey, toKey } from "../../../src/base/bytes.ts";
import type { Key } from "../../../src/base/bytes.ts";
import { Intervals } from "../../../src/api/intervals.ts";
import { checkTxn } from "../../../src/api/validate.ts";

/** Few enough to collide often; with the end "\0" and with bytes above 0x7f. */
const KEYS = ["\0", "a", "a\0", "aa", "b", "c", "\u00ff", "\u00ff\u00ff"].map((key) => key as Key);
const key = fc.constantFrom(...KEYS);

function put(of: Key): RequestOp {
  return requestOp({ request: { kind: "requestPut", value: putRequest({ key: fromKey(of) }) } });
}

function remove(from: Key, end: Key | null): RequestOp {
  const range = { key: fromKey(from), rangeEnd: end === null ? new Uint8Array(0) : fromKey(end) };
  return requestOp({ request: { kind: "requestDeleteRange", value: deleteRangeRequest(range) } });
}

const read = requestOp({
  request: { kind: "requestRange", value: rangeRequest({ key: Buffer.from("a") }) },
});

function ops(depth: number): fc.Arbitrary<RequestOp[]> {
  const flat: fc.WeightedArbitrary<RequestOp>[] = [
    { weight: 3, arbitrary: key.map(put) },
    { weight: 2, arbitrary: fc.tuple(key, fc.option(key)).map(([a, b]) => remove(a, b)) },
    { weight: 1, arbitrary: fc.constant(read) },
  ];
  if (depth > 0) {
    const nested = txns(depth - 1).map((value) =>
      requestOp({ request: { kind: "requestTxn", value } }),
    );
    flat.push({ weight: 2, arbitrary: nested });
  }
  return fc.array(fc.oneof(...flat), { maxLength: 3 });
}

function txns(depth: number): fc.Arbitrary<TxnRequest> {
  return fc
    .tuple(ops(depth), ops(depth))
    .map(([success, failure]) => txnRequest({ success, failure }));
}

interface Naive {
  readonly puts: readonly Buffer[];
  readonly deletes: readonly { readonly from: Buffer; readonly end: Buffer }[];
}

function covered({ deletes }: Naive, at: Buffer): boolean {
  return deletes.some(({ from, end }) => from.compare(at) <= 0 && at.compare(end) < 0);
}

/** etcd's rule, step by step over lists of buffers: null where it answers "duplicate key". */
function naive(list: readonly RequestOp[]): Naive | null {
  let state: Naive = { puts: [], deletes: [] };
  for (const { request } of list) {
    if (request?.kind !== "requestDeleteRange") continue;
    const from = Buffer.from(request.value.key);
    const { rangeEnd } = request.value;
    const end =
      rangeEnd.length > 0 ? Buffer.from(rangeEnd) : Buffer.concat([from, Buffer.alloc(1)]);
    state = { ...state, deletes: [...state.deletes, { from, end }] };
  }
  for (const { request } of list) {
    if (request?.kind !== "requestTxn") continue;
    const branches = [naive(request.value.success), naive(request.value.failure)];
    let { puts, deletes } = state;
    for (const branch of branches) {
      if (branch === null) return null;
      for (const one of branch.puts) {
        if (state.puts.some((other) => other.equals(one)) || covered(state, one)) return null;
      }
      puts = [...puts, ...branch.puts];
      deletes = [...deletes, ...branch.deletes];
    }
    state = { puts, deletes };
  }
  for (const { request } of list) {
    if (request?.kind !== "requestPut") continue;
    const one = Buffer.from(request.value.key);
    if (state.puts.some((other) => other.equals(one)) || covered(state, one)) return null;
    state = { ...state, puts: [...state.puts, one] };
  }
  return state;
}

describe("checkTxn", () => {
  it("finds the duplicate keys that a step-by-step reading of the rule finds", () => {
    const seen = { clean: 0, duplicate: 0 };
    fc.assert(
      fc.property(txns(3), (txn) => {
        const duplicate = naive(txn.success) === null || naive(txn.failure) === null;
        assert.equal(checkTxn(txn, 128), duplicate ? API_ERRORS.duplicateKey : null);
        seen[duplicate ? "duplicate" : "clean"]++;
      }),
      { numRuns: 2_000 },
    );
    assert.ok(
      seen.clean > 100 && seen.duplicate > 100,
      `both happen often: ${JSON.stringify(seen)}`,
    );
  });
});

describe("Intervals", () => {
  const interval = fc.tuple(
    fc.uint8Array({ minLength: 1, maxLength: 2, max: 4 }).map(toKey),
    fc.uint8Array({ minLength: 1, maxLength: 2, max: 4 }).map(toKey),
  );

  it("covers what any of its intervals covers, added one by one and set by set", () => {
    fc.assert(
      fc.property(fc.array(fc.array(interval, { maxLength: 6 }), { maxLength: 6 }), (sets) => {
        const all = new Intervals();
        for (const set of sets) {
          const part = new Intervals();
          for (const [from, end] of set) part.add(from, end);
          all.addAll(part);
        }
        const flat = sets.flat();
        for (const probe of [...flat.flat(), "\u0005" as Key, "\0" as Key]) {
          const wanted = flat.some(([from, end]) => from <= probe && probe < end);
          assert.equal(all.covers(probe), wanted);
        }
        assert.equal(all.empty, !flat.some(([from, end]) => from < end));
      }),
      { numRuns: 300 },
    );
  });
});
