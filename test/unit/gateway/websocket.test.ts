import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CloseCode,
  encodeClose,
  encodeFrame,
  FrameReader,
  Opcode,
} from "../../../node/gateway/websocket-frames.ts";

/** A client's frame: masked, with any header bits. */
function masked(first: number, payload: Uint8Array, length = payload.length): Buffer {
  const extended = length < 126 ? 0 : length < 2 ** 16 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = first;
  head[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  const key = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  const data = Buffer.from(payload).map((byte, at) => byte ^ (key[at & 3] ?? 0));
  return Buffer.concat([head, key, data]);
}

const text = (body: string, first = 0x81): Buffer => masked(first, Buffer.from(body));

/** What a reader makes of these bytes, given in pieces of `step`. */
function read(bytes: Buffer, step = bytes.length, messageBytesMax = 100_000): string[] {
  const heard: string[] = [];
  const reader = new FrameReader(messageBytesMax, {
    onMessage: (payload) => heard.push(`message ${payload.toString()}`),
    onPing: (payload) => heard.push(`ping ${payload.toString()}`),
    onClose: (code) => heard.push(`close ${code}`),
    onFault: (code) => heard.push(`fault ${code}`),
  });
  for (let at = 0; at < bytes.length; at += step) {
    const piece = Buffer.from(bytes.subarray(at, at + step));
    reader.push(piece);
    piece.fill(0xee); // borrowed: whoever kept it would show it
  }
  return heard;
}

describe("FrameReader", () => {
  it("reads the examples of RFC 6455 section 5.7", () => {
    const hello = Buffer.from([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    assert.deepEqual(read(hello), ["message Hello"]);
    const ping = Buffer.concat([Buffer.from([0x89]), hello.subarray(1)]);
    assert.deepEqual(read(ping), ["ping Hello"]);
  });

  it("finds the same messages however the bytes are cut", () => {
    const large = "x".repeat(70_000);
    const stream = Buffer.concat([
      text("one"),
      text("", 0x81),
      text("fr", 0x01),
      text("a ping between", 0x89),
      text("agm", 0x00),
      text("ents", 0x80),
      text("y".repeat(200)),
      text(large, 0x82),
      encodeMaskedClose(1000),
    ]);
    const whole = read(stream);
    assert.deepEqual(
      whole.map((heard) => heard.slice(0, 24)),
      [
        "message one",
        "message ",
        "ping a ping between",
        "message fragments",
        `message ${"y".repeat(16)}`,
        `message ${"x".repeat(16)}`,
        "close 1000",
      ],
    );
    for (const step of [1, 2, 3, 7, 1000]) assert.deepEqual(read(stream, step), whole);
  });

  it("faults what breaks the rules, and hears nothing after it", () => {
    const unmasked = encodeFrame(Opcode.text, Buffer.from("x"), true);
    const cases: Readonly<Record<string, Buffer>> = {
      "no mask": unmasked,
      "a reserved bit": text("x", 0xc1),
      "an unknown opcode": text("x", 0x83),
      "a continuation of nothing": text("x", 0x80),
      "a message in a message": Buffer.concat([text("x", 0x01), text("y", 0x81)]),
      "a fragmented ping": text("x", 0x09),
      "a long ping": text("x".repeat(126), 0x89),
      "a length in more bytes than needed": Buffer.from([0x81, 0xfe, 0, 5, 1, 2, 3, 4]),
      "a length beyond numbers": Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
      "a close of one byte": text("x", 0x88),
      "a close with a code nobody sends": encodeMaskedClose(1005),
    };
    for (const [what, bytes] of Object.entries(cases)) {
      const heard = read(Buffer.concat([bytes, text("after")]));
      assert.deepEqual(heard, [`fault ${CloseCode.protocolError}`], what);
    }
  });

  it("faults text that is no UTF-8, in messages and in closes", () => {
    const bad = Buffer.from([0xc3, 0x28]);
    assert.deepEqual(read(masked(0x81, bad)), [`fault ${CloseCode.invalidPayload}`]);
    const reason = Buffer.concat([Buffer.from([0x03, 0xe8]), bad]);
    assert.deepEqual(read(masked(0x88, reason)), [`fault ${CloseCode.invalidPayload}`]);
    assert.equal(read(masked(0x82, bad)).length, 1, "bytes are not text");
  });

  it("faults a message over the limit by its header, before it has arrived", () => {
    const head = masked(0x81, Buffer.alloc(0), 101);
    assert.deepEqual(read(head, 1, 100), [`fault ${CloseCode.tooBig}`]);
    const fragments = Buffer.concat([text("x".repeat(60), 0x01), text("y".repeat(41), 0x80)]);
    assert.deepEqual(read(fragments, 5, 100), [`fault ${CloseCode.tooBig}`]);
    const fits = Buffer.concat([text("x".repeat(60), 0x01), text("y".repeat(40), 0x80)]);
    assert.equal(read(fits, 5, 100).length, 1);
  });

  it("tells a close with a code from one without", () => {
    assert.deepEqual(read(masked(0x88, Buffer.alloc(0))), ["close null"]);
    assert.deepEqual(read(encodeMaskedClose(4321)), ["close 4321"]);
  });
});

describe("encodeFrame", () => {
  it("takes the shortest length, and masks nothing", () => {
    const sizes = [0, 125, 126, 65_535, 65_536];
    const heads = sizes.map(
      (size) => encodeFrame(Opcode.text, Buffer.alloc(size), true).length - size,
    );
    assert.deepEqual(heads, [2, 2, 4, 4, 10]);
    assert.deepEqual(
      [...encodeFrame(Opcode.text, Buffer.from("hi"), false)],
      [0x01, 2, 0x68, 0x69],
    );
    assert.deepEqual([...encodeClose(1000)], [0x88, 2, 3, 0xe8]);
    assert.deepEqual([...encodeClose(null)], [0x88, 0]);
  });
});

function encodeMaskedClose(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return masked(0x88, payload);
}
