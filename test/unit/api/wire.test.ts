import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { command, decodeCommand, encodeCommand } from "../../../src/api/gen/command.ts";
import {
  compare,
  decodeCompare,
  decodePutRequest,
  decodeRangeRequest,
  decodeRequestOp,
  decodeTxnRequest,
  encodeCompare,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  putRequest,
  rangeRequest,
  requestOp,
  txnRequest,
} from "../../../src/api/gen/kv.ts";
import type { TxnRequest } from "../../../src/api/gen/kv.ts";
import { decodeLeaseGrantRequest } from "../../../src/api/gen/lease.ts";
import { decodeRaftMembership } from "../../../src/api/gen/peer.ts";
import { decodeWatchCreateRequest } from "../../../src/api/gen/watch.ts";
import { DecodeError, DEPTH_MAX } from "../../../src/api/reader.ts";
import { openWriter, Writer } from "../../../src/api/wire.ts";

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

function refuses(read: () => unknown, message: RegExp): void {
  assert.throws(read, (thrown) => thrown instanceof DecodeError && message.test(thrown.message));
}

describe("decoding", () => {
  it("refuses what is cut off, wherever it is cut", () => {
    const whole = Buffer.from(
      encodePutRequest(putRequest({ key: Buffer.from("key"), value: Buffer.alloc(200, 7) })),
    );
    for (let size = 1; size < whole.length; size++) {
      if (size === 5) continue; // Between the two fields.
      refuses(() => decodePutRequest(whole.subarray(0, size)), /unexpected end/);
    }
  });

  it("refuses a length beyond the message, even where the buffer goes on", () => {
    const bytes = hex("0a 05 61 62 63 64 65");
    refuses(() => decodePutRequest(bytes, 0, 5), /unexpected end/);
    refuses(() => decodePutRequest(hex("0a ff ff ff ff 07 61")), /unexpected end/);
    refuses(() => decodePutRequest(hex("0a ff ff ff ff ff ff ff ff ff 01 61")), /unexpected end/);
  });

  it("refuses a field within that ends after the message around it", () => {
    // A RequestOp of 3 bytes whose put claims 4.
    refuses(() => decodeTxnRequest(hex("12 03 12 04 0a 61 61 61 61")), /unexpected end/);
  });

  it("refuses varints of more than 64 bits", () => {
    refuses(() => decodePutRequest(hex("18 ff ff ff ff ff ff ff ff ff ff 01")), /overflow/);
    refuses(() => decodePutRequest(hex("18 ff ff ff ff ff ff ff ff ff 02")), /overflow/);
  });

  it("refuses a known field of another wire type, field 0, and groups that never open or close", () => {
    refuses(() => decodePutRequest(hex("08 01")), /wrong wireType = 0 for field 1/);
    refuses(() => decodePutRequest(hex("1a 01 61")), /wrong wireType = 2 for field 3/);
    refuses(() => decodePutRequest(hex("02 01 61")), /field number 0/);
    refuses(() => decodePutRequest(hex("a4 01")), /end of a group/);
    refuses(() => decodePutRequest(hex("a3 01 08 01")), /unexpected end of a group/);
    refuses(() => decodePutRequest(hex("a6 01")), /illegal wireType 6/);
    refuses(() => decodePutRequest(hex("82 80 80 80 80 01 00")), /tag is too large/);
  });

  it("refuses invalid UTF-8 in text, short and long, and takes any bytes as bytes", () => {
    // Field `user` of Command.
    refuses(() => decodeCommand(hex("12 01 ff")), /UTF-8/);
    const long = Buffer.concat([hex("12 28"), Buffer.alloc(39, 0x61), hex("c3")]);
    refuses(() => decodeCommand(long), /UTF-8/);
    refuses(() => decodeCommand(hex("12 03 ed a0 80")), /UTF-8/);
    assert.deepEqual([...decodePutRequest(hex("0a 02 ff c0")).key], [0xff, 0xc0]);
    assert.equal(decodeCommand(hex("12 05 ef bb bf 61 62")).user, "\ufeffab");
  });

  it("saturates counters at +-(2^53 - 1) and keeps ids whole", () => {
    const maxInt64 = "ff ff ff ff ff ff ff ff 7f";
    const minInt64 = "80 80 80 80 80 80 80 80 80 01";
    const allOnes = "ff ff ff ff ff ff ff ff ff 01";
    assert.equal(decodeRangeRequest(hex(`18 ${maxInt64}`)).limit, Number.MAX_SAFE_INTEGER);
    assert.equal(decodeRangeRequest(hex(`18 ${minInt64}`)).limit, Number.MIN_SAFE_INTEGER);
    assert.equal(decodeRangeRequest(hex(`18 ${allOnes}`)).limit, -1);
    assert.equal(decodeCommand(hex(`18 ${allOnes}`)).authRevision, Number.MAX_SAFE_INTEGER);
    assert.equal(decodePutRequest(hex(`18 ${minInt64}`)).lease, -(2n ** 63n));
    assert.equal(decodeLeaseGrantRequest(hex(`10 ${maxInt64}`)).id, 2n ** 63n - 1n);
    assert.equal(decodeCommand(hex(`08 ${allOnes}`)).requestId, 2n ** 64n - 1n);
  });

  it("keeps enum values nobody named", () => {
    assert.equal(decodeRangeRequest(hex("28 63")).sortOrder, 99);
    const negative = Buffer.from(encodeRangeRequest(rangeRequest({ sortOrder: -1 })));
    assert.equal(decodeRangeRequest(negative).sortOrder, -1);
  });

  it("reads repeated scalars packed, one by one and mixed, in order", () => {
    assert.deepEqual(decodeWatchCreateRequest(hex("2a 02 00 01")).filters, [0, 1]);
    assert.deepEqual(decodeWatchCreateRequest(hex("28 00 28 01")).filters, [0, 1]);
    assert.deepEqual(
      decodeWatchCreateRequest(hex("28 01 2a 02 00 01 28 00")).filters,
      [1, 0, 1, 0],
    );
    const voters = decodeRaftMembership(hex("0a 0b 01 ff ff ff ff ff ff ff ff ff 01")).voters;
    assert.deepEqual(voters, [1n, 2n ** 64n - 1n]);
  });

  it("the last of a oneof wins; a message that comes twice is merged", () => {
    const twoKinds = decodeRequestOp(hex("0a 03 0a 01 61 12 03 0a 01 62"));
    assert.equal(twoKinds.request?.kind, "requestPut");
    const twice = decodeRequestOp(hex("12 03 0a 01 61 12 03 12 01 76"));
    assert.ok(twice.request?.kind === "requestPut");
    assert.equal(Buffer.from(twice.request.value.key).toString(), "a");
    assert.equal(Buffer.from(twice.request.value.value).toString(), "v");
  });

  it("records made by default share nothing that can change", () => {
    const first = decodeTxnRequest(hex("12 02 12 00"));
    const second = decodeTxnRequest(hex(""));
    assert.equal(first.success.length, 1);
    assert.equal(second.success.length, 0);
  });

  it("borrows bytes from the buffer instead of copying them", () => {
    const buffer = hex("0a 01 61");
    const { key } = decodePutRequest(buffer);
    buffer[2] = 0x7a;
    assert.equal(key[0], 0x7a);
  });

  it("follows Txns 128 deep and refuses those without end", () => {
    let txn: TxnRequest = txnRequest();
    for (let depth = 0; depth < 128; depth++) {
      txn = txnRequest({ success: [requestOp({ request: { kind: "requestTxn", value: txn } })] });
    }
    let read = decodeTxnRequest(Buffer.from(encodeTxnRequest(txn)));
    let depth = 0;
    for (; read.success.length > 0; depth++) {
      const request = read.success[0]?.request;
      assert.ok(request?.kind === "requestTxn");
      read = request.value;
    }
    assert.equal(depth, 128);
    const writer = new Writer();
    for (let at = 0; at <= DEPTH_MAX; at++) writer.wrap(at % 2 === 0 ? 18 : 34, 0);
    refuses(() => decodeTxnRequest(writer.finish()), /nest too deep/);
    // One too deep spoils nothing for the next.
    assert.equal(decodeTxnRequest(hex("12 02 12 00")).success.length, 1);
  });
});

describe("decoding many messages side by side", () => {
  it("counts depth, not messages", () => {
    const many = Buffer.alloc((DEPTH_MAX + 500) * 2, Buffer.from([0x12, 0x00]));
    assert.equal(decodeTxnRequest(many).success.length, DEPTH_MAX + 500);
  });
});

describe("encoding", () => {
  it("writes the first and the last value of every length of a varint", () => {
    for (let bits = 0; bits < 53; bits++) {
      for (const limit of [2 ** bits, 2 ** bits - 1]) {
        const bytes = Buffer.from(encodeRangeRequest(rangeRequest({ limit })));
        const size = limit === 0 ? 0 : 1 + Math.max(1, Math.ceil(Math.log2(limit + 1) / 7));
        if (limit < 2 ** 40) assert.equal(bytes.length, size, `${limit}`);
        assert.equal(decodeRangeRequest(bytes).limit, limit);
      }
    }
  });

  it("writes the zero of a oneof and no other zero", () => {
    const bytes = encodeCompare(compare({ targetUnion: { kind: "version", value: 0 } }));
    assert.equal(Buffer.from(bytes).toString("hex"), "2000");
    const value = encodeCompare(compare({ targetUnion: { kind: "lease", value: 0n } }));
    assert.equal(Buffer.from(value).toString("hex"), "4000");
    assert.deepEqual(decodeCompare(hex("2000")).targetUnion, { kind: "version", value: 0 });
  });

  it("outgrows its buffer without losing a byte, also within nested messages", () => {
    const value = Buffer.alloc(300_000, 0x5a);
    const put = putRequest({ key: Buffer.from("k"), value });
    const ops = Array.from({ length: 20 }, () =>
      requestOp({ request: { kind: "requestPut", value: put } }),
    );
    const read = decodeTxnRequest(Buffer.from(encodeTxnRequest(txnRequest({ success: ops }))));
    assert.equal(read.success.length, 20);
    for (const { request } of read.success) {
      assert.ok(request?.kind === "requestPut");
      assert.ok(value.equals(request.value.value));
    }
  });

  it("what an encode answered is overwritten by the next: it is borrowed", () => {
    const first = encodePutRequest(putRequest({ key: Buffer.from("aa") }));
    encodePutRequest(putRequest({ key: Buffer.from("bb") }));
    assert.equal(Buffer.from(first).toString("latin1").slice(2), "bb");
  });

  it("starts anew after an encode that threw", () => {
    const broken = command({ user: null as unknown as string, authRevision: 5 });
    assert.throws(() => encodeCommand(broken));
    assert.equal(Buffer.from(encodeCommand(command({ authRevision: 1 }))).toString("hex"), "1801");
    assert.equal(openWriter().size, 0);
  });
});
