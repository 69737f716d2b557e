import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { command, decodeCommand, encodeCommand } from "../../../src/api/gen/command.ts";
import { responseHeader } from "../../../src/api/gen/header.ts";
import {
  deleteRangeResponse,
  encodeDeleteRangeResponse,
  encodePutRequest,
  encodePutResponse,
  encodeRangeResponse,
  encodeTxnRequest,
  encodeTxnResponse,
  putRequest,
  putResponse,
  rangeResponse,
  responseOp,
  txnRequest,
  txnResponse,
} from "../../../src/api/gen/kv.ts";
import { encodeEvent, encodeKeyValue, event, keyValue } from "../../../src/api/gen/mvcc.ts";
import { encodeWatchResponse, watchResponse } from "../../../src/api/gen/watch.ts";
import {
  appendNestedHeader,
  appendPutBody,
  COMMAND_TAGS,
  DELETE_RANGE_TAG,
  encodeCommandRaw,
  encodeDeleteRangeResponseRaw,
  encodeEventRaw,
  encodePutResponseRaw,
  encodeRangeResponseRaw,
  encodeWatchEventsRaw,
  HeaderIds,
  PUT_TAG,
  TXN_TAG,
} from "../../../src/api/hot.ts";
import { openWriter } from "../../../src/api/wire.ts";

const clusterId = 0xfedc_ba98_7654_3210n;
const memberId = 0x8000_0000_0000_0001n;
const ids = new HeaderIds(clusterId, memberId);
const kvs = [
  keyValue({ key: Buffer.from("a"), value: Buffer.alloc(256, 1), modRevision: 7, version: 1 }),
  keyValue({ key: Buffer.from("b"), createRevision: 2 ** 40, lease: -1n }),
  keyValue(),
];
const raw = kvs.map((kv) => copy(encodeKeyValue(kv)));

function copy(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("hot encoders write what the generated ones write", () => {
  for (const [revision, raftTerm] of [
    [0, 0],
    [1, 0],
    [2 ** 45, 300],
  ] as const) {
    const header = { ids, revision, raftTerm };
    const generated = responseHeader({ clusterId, memberId, revision, raftTerm });

    it(`RangeResponse at revision ${revision}`, () => {
      for (const [rows, more, count] of [
        [0, false, 0],
        [1, false, 1],
        [3, true, 5_000],
      ] as const) {
        const wanted = hex(
          encodeRangeResponse(
            rangeResponse({ header: generated, kvs: kvs.slice(0, rows), more, count }),
          ),
        );
        assert.equal(hex(encodeRangeResponseRaw(header, raw.slice(0, rows), more, count)), wanted);
      }
    });

    it(`PutResponse and DeleteRangeResponse at revision ${revision}`, () => {
      const [first] = raw;
      assert.ok(first !== undefined);
      const put = hex(encodePutResponse(putResponse({ header: generated })));
      assert.equal(hex(encodePutResponseRaw(header, null)), put);
      const [prevKv] = kvs;
      assert.ok(prevKv !== undefined);
      const previous = hex(encodePutResponse(putResponse({ header: generated, prevKv })));
      assert.equal(hex(encodePutResponseRaw(header, first)), previous);
      for (const deleted of [0, 3]) {
        const wanted = hex(
          encodeDeleteRangeResponse(
            deleteRangeResponse({ header: generated, deleted, prevKvs: kvs.slice(0, deleted) }),
          ),
        );
        const found = encodeDeleteRangeResponseRaw(header, deleted, raw.slice(0, deleted));
        assert.equal(hex(found), wanted);
      }
    });

    it(`WatchResponse with events at revision ${revision}`, () => {
      const events = [event({ kv: keyValue(kvs[0]) }), event({ type: 1, kv: keyValue(kvs[1]) })];
      for (const [watchId, fragment] of [
        [0, false],
        [-1, false],
        [700, true],
      ] as const) {
        const wanted = hex(
          encodeWatchResponse(watchResponse({ header: generated, watchId, fragment, events })),
        );
        const encoded = events.map((one) => copy(encodeEvent(one)));
        assert.equal(hex(encodeWatchEventsRaw(header, watchId, encoded, fragment)), wanted);
      }
    });
  }

  it("Event", () => {
    for (const type of [0, 1]) {
      for (const prevKv of [null, keyValue(kvs[1])]) {
        const wanted = hex(encodeEvent(event({ type, kv: keyValue(kvs[0]), prevKv })));
        const found = encodeEventRaw(type, raw[0] ?? new Uint8Array(0), prevKv && (raw[1] ?? null));
        encodePutRequest(putRequest({ key: Buffer.alloc(400, 9) }));
        assert.equal(hex(found), wanted, "and it is owned: a later encode leaves it alone");
      }
    }
  });

  it("the header of an answer within a Txn: nothing but the revision, and there even at 0", () => {
    for (const revision of [0, 12]) {
      const op = responseOp({
        response: {
          kind: "responsePut",
          value: putResponse({ header: responseHeader({ revision }), prevKv: keyValue(kvs[0]) }),
        },
      });
      const wanted = hex(encodeTxnResponse(txnResponse({ responses: [op] })));
      const writer = openWriter();
      appendPutBody(writer, raw[0] ?? null);
      appendNestedHeader(writer, revision);
      writer.wrap(18, 0);
      writer.wrap(26, 0);
      assert.equal(hex(writer.finish()), wanted);
    }
  });

  it("Command, with the request's own bytes inside", () => {
    const put = putRequest({ key: Buffer.from("k"), value: Buffer.alloc(200, 3), lease: 9n });
    const body = copy(encodePutRequest(put));
    for (const [requestId, user, authRevision] of [
      [0n, "", 0],
      [2n ** 64n - 1n, "root", 4],
      [5n, "", 300],
    ] as const) {
      const value = command({ requestId, user, authRevision, kind: { kind: "put", value: put } });
      const wanted = hex(encodeCommand(value));
      const found = encodeCommandRaw(requestId, { name: user, authRevision }, PUT_TAG, body);
      assert.equal(hex(found), wanted);
    }
    const txn = encodeCommandRaw(1n, null, TXN_TAG, copy(encodeTxnRequest(txnRequest())));
    assert.equal(decodeCommand(txn).kind?.kind, "txn");
  });

  it("every kind of command has its tag", () => {
    assert.equal(COMMAND_TAGS["put"], PUT_TAG);
    assert.equal(COMMAND_TAGS["deleteRange"], DELETE_RANGE_TAG);
    assert.equal(COMMAND_TAGS["txn"], TXN_TAG);
    for (const [kind, tag] of Object.entries(COMMAND_TAGS)) {
      const bytes = encodeCommandRaw(1n, null, tag, new Uint8Array(0));
      assert.equal(decodeCommand(bytes).kind?.kind, kind);
    }
  });
});
