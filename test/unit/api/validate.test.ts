import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { API_ERRORS } from "../../../src/api/catalogue.ts";
import {
  compare,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
  requestOp,
  txnRequest,
} from "../../../src/api/gen/kv.ts";
import type { RequestOp, TxnRequest } from "../../../src/api/gen/kv.ts";
import { leaseGrantRequest } from "../../../src/api/gen/lease.ts";
import { watchCreateRequest } from "../../../src/api/gen/watch.ts";
import {
  checkDeleteRange,
  checkLeaseGrant,
  checkPut,
  checkRange,
  checkTxn,
  checkWatchCreate,
  LEASE_TTL_MAX,
} from "../../../src/api/validate.ts";

const key = Buffer.from("k");

function put(text: string): RequestOp {
  return requestOp({
    request: { kind: "requestPut", value: putRequest({ key: Buffer.from(text) }) },
  });
}

function remove(from: string, end: string): RequestOp {
  const value = deleteRangeRequest({ key: Buffer.from(from), rangeEnd: Buffer.from(end) });
  return requestOp({ request: { kind: "requestDeleteRange", value } });
}

function nested(value: TxnRequest): RequestOp {
  return requestOp({ request: { kind: "requestTxn", value } });
}

describe("checkPut", () => {
  it("wants a key, and neither a value nor a lease that it is told to ignore", () => {
    assert.equal(checkPut(putRequest()), API_ERRORS.emptyKey);
    assert.equal(checkPut(putRequest({ key })), null);
    const value = Buffer.from("v");
    assert.equal(checkPut(putRequest({ key, value, ignoreValue: true })), API_ERRORS.valueProvided);
    assert.equal(checkPut(putRequest({ key, ignoreValue: true })), null);
    assert.equal(
      checkPut(putRequest({ key, lease: 1n, ignoreLease: true })),
      API_ERRORS.leaseProvided,
    );
    assert.equal(checkPut(putRequest({ key, ignoreLease: true })), null);
  });
});

describe("checkRange and checkDeleteRange", () => {
  it("want a key and a sort that exists", () => {
    assert.equal(checkRange(rangeRequest()), API_ERRORS.emptyKey);
    assert.equal(checkRange(rangeRequest({ key, sortOrder: 2, sortTarget: 4 })), null);
    for (const bad of [-1, 3, 99]) {
      assert.equal(checkRange(rangeRequest({ key, sortOrder: bad })), API_ERRORS.invalidSortOption);
    }
    for (const bad of [-1, 5]) {
      assert.equal(
        checkRange(rangeRequest({ key, sortTarget: bad })),
        API_ERRORS.invalidSortOption,
      );
    }
    assert.equal(checkDeleteRange(deleteRangeRequest()), API_ERRORS.emptyKey);
    assert.equal(checkDeleteRange(deleteRangeRequest({ key })), null);
  });
});

describe("checkTxn", () => {
  it("bounds the longest of its three lists", () => {
    const many = (count: number): RequestOp[] =>
      Array.from({ length: count }, (_, at) => put(`${at}`));
    assert.equal(checkTxn(txnRequest({ success: many(128), failure: many(128) }), 128), null);
    assert.equal(checkTxn(txnRequest({ failure: many(129) }), 128), API_ERRORS.tooManyOps);
    const compares = Array.from({ length: 129 }, () => compare({ key }));
    assert.equal(checkTxn(txnRequest({ compare: compares }), 128), API_ERRORS.tooManyOps);
  });

  it("leaves a Txn within what the longest list around it left", () => {
    const within = (count: number): TxnRequest =>
      txnRequest({ success: Array.from({ length: count }, (_, at) => put(`n${at}`)) });
    const around = (count: number): TxnRequest =>
      txnRequest({ success: [put("a"), nested(within(count))], compare: [compare({ key })] });
    assert.equal(checkTxn(around(3), 5), null);
    assert.equal(checkTxn(around(4), 5), API_ERRORS.tooManyOps);
  });

  it("answers an op without a request with key not found, and looks at compares first", () => {
    assert.equal(checkTxn(txnRequest({ success: [requestOp()] }), 128), API_ERRORS.keyNotFound);
    const both = txnRequest({ compare: [compare()], success: [requestOp()] });
    assert.equal(checkTxn(both, 128), API_ERRORS.emptyKey);
    assert.equal(checkTxn(txnRequest({ failure: [put("")] }), 128), API_ERRORS.emptyKey);
  });

  it("finds shape faults before duplicates, wherever they are", () => {
    const txn = txnRequest({
      success: [put("a"), put("a"), nested(txnRequest({ failure: [put("")] }))],
    });
    assert.equal(checkTxn(txn, 128), API_ERRORS.emptyKey);
  });

  it("lets one key be put in both branches, of the Txn and of one within, and no more", () => {
    const both = txnRequest({ success: [put("a")], failure: [put("a")] });
    assert.equal(checkTxn(both, 128), null);
    assert.equal(checkTxn(txnRequest({ success: [nested(both)] }), 128), null);
    const twice = txnRequest({ success: [nested(both), nested(both)] });
    assert.equal(checkTxn(twice, 128), API_ERRORS.duplicateKey);
    const outside = txnRequest({ success: [nested(both), put("a")] });
    assert.equal(checkTxn(outside, 128), API_ERRORS.duplicateKey);
  });

  it("refuses a put that a delete covers, before or after it, and lets deletes overlap", () => {
    const cases: readonly (readonly [RequestOp[], boolean])[] = [
      [[put("b"), remove("a", "c")], true],
      [[remove("a", "c"), put("b")], true],
      [[remove("a", "b"), put("b")], false],
      [[remove("b", ""), put("b")], true],
      [[remove("b", ""), put("b\0")], false],
      [[remove("a", "z"), remove("b", "y")], false],
      // As etcd: the end that means "no end" is taken as it stands here, and covers nothing.
      [[remove("a", "\0"), put("b")], false],
    ];
    for (const [success, duplicate] of cases) {
      const wanted = duplicate ? API_ERRORS.duplicateKey : null;
      assert.equal(checkTxn(txnRequest({ success }), 128), wanted);
      assert.equal(checkTxn(txnRequest({ failure: success }), 128), wanted);
    }
  });

  it("stays quick on many writes in nested Txns", () => {
    let counter = 100_000;
    const build = (depth: number): TxnRequest => {
      const ops: RequestOp[] = [];
      for (let at = 0; at < 11; at++) {
        if (depth > 0) ops.push(nested(build(depth - 1)));
        else ops.push(counter % 2 === 0 ? put(`p${--counter}`) : remove(`d${--counter}`, ""));
      }
      return txnRequest({ success: ops });
    };
    // 11^4 writes.
    const txn = build(3);
    const before = performance.now();
    assert.equal(checkTxn(txn, 128), null);
    assert.ok(performance.now() - before < 2_000);
  });
});

describe("checkLeaseGrant", () => {
  it("bounds the time to live from above only", () => {
    assert.equal(checkLeaseGrant(leaseGrantRequest({ ttl: LEASE_TTL_MAX })), null);
    assert.equal(checkLeaseGrant(leaseGrantRequest({ ttl: -5 })), null);
    const tooLong = leaseGrantRequest({ ttl: LEASE_TTL_MAX + 1 });
    assert.equal(checkLeaseGrant(tooLong), API_ERRORS.leaseTtlTooLarge);
  });
});

describe("checkWatchCreate", () => {
  const check = (from: string, end: string, startRevision = 0): string | null =>
    checkWatchCreate(
      watchCreateRequest({ key: Buffer.from(from), rangeEnd: Buffer.from(end), startRevision }),
    );

  it("refuses an empty range and takes every way to say no end", () => {
    assert.equal(check("b", "a"), "mvcc: watcher range is empty");
    assert.equal(check("b", "b"), "mvcc: watcher range is empty");
    assert.equal(check("b", "c"), null);
    assert.equal(check("b", ""), null);
    assert.equal(check("b", "\0"), null);
    assert.equal(check("", "\0"), null);
    assert.equal(check("", "a"), null);
  });

  it("answers a negative revision as a compacted one, before the range", () => {
    assert.equal(check("b", "a", -1), "etcdserver: mvcc: required revision has been compacted");
  });
});
