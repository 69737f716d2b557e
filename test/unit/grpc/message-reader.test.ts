import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Prng } from "../../../src/base/prng.ts";
import {
  dropGatherBuffers,
  MessageReader,
  type MessageSink,
} from "../../../src/grpc/message-reader.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** What was read, copied while it is borrowed; and what is held. */
class Sink implements MessageSink {
  readonly messages: Buffer[] = [];
  /** The memory that each message lay in. */
  readonly memory: ArrayBufferLike[] = [];
  held = 0;
  heldMost = 0;

  onMessage(_compressed: boolean, body: Buffer): boolean {
    this.messages.push(Buffer.from(body));
    this.memory.push(body.buffer);
    return true;
  }

  onOversize(): void {
    assert.fail("no message here is too large");
  }

  onHold(bytes: number): boolean {
    this.held += bytes;
    this.heldMost = Math.max(this.heldMost, this.held);
    return true;
  }
}

function framed(body: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

describe("MessageReader", () => {
  it(`reads what was written, however it is cut and whatever others gather meanwhile (seed ${seed})`, () => {
    const random = new Prng(seed);
    const readers = Array.from({ length: 3 }, () => new MessageReader(1 << 24));
    const sinks = readers.map(() => new Sink());
    const sent: Buffer[][] = readers.map(() => []);
    const streams = readers.map((_, of) => {
      for (let at = 0; at < 60; at++) {
        const size = random.between(0, [20, 5_000, 70_000, 900_000][random.between(0, 4)] ?? 0);
        sent[of]?.push(Buffer.alloc(size, random.between(0, 256)));
      }
      return Buffer.concat((sent[of] ?? []).map(framed));
    });
    const places = readers.map(() => 0);
    while (places.some((place, of) => place < (streams[of]?.length ?? 0))) {
      const of = random.between(0, readers.length);
      const from = places[of] ?? 0;
      // A frame's bytes are borrowed: what lay there is gone afterwards.
      const frame = Buffer.from(
        streams[of]?.subarray(from, from + random.between(1, 16_384)) ?? "",
      );
      places[of] = from + frame.length;
      readers[of]?.read(frame, 0, frame.length, sinks[of] as Sink);
      frame.fill(0xff);
    }
    for (const [of, sink] of sinks.entries()) {
      assert.equal(sink.messages.length, sent[of]?.length);
      for (const [at, message] of sink.messages.entries()) {
        assert.ok(message.equals(sent[of]?.[at] ?? Buffer.alloc(1)), `message ${at} of ${of}`);
      }
      assert.equal(sink.held, 0);
    }
  });

  it("gathers a message where one of its size was gathered before", () => {
    dropGatherBuffers();
    const reader = new MessageReader(1 << 24);
    const sink = new Sink();
    const bytes = framed(Buffer.alloc(100_000, 7));
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < bytes.length; at += 16_384) {
        reader.read(bytes, at, Math.min(at + 16_384, bytes.length), sink);
      }
    }
    assert.equal(sink.messages.length, 3);
    assert.equal(new Set(sink.memory).size, 1, "the first took a buffer, the others the same");
    assert.ok(sink.heldMost <= 2 * bytes.length, "and it is counted while it is held");
  });

  it("gives what was gathered of an unfinished message to the next, and takes it off what is held", () => {
    dropGatherBuffers();
    const sink = new Sink();
    const bytes = framed(Buffer.alloc(60_000, 7));
    const broken = new MessageReader(1 << 24);
    broken.read(bytes, 0, 40_000, sink);
    assert.ok(sink.held >= 40_000);
    broken.release(sink);
    assert.equal(sink.held, 0);
    const next = new MessageReader(1 << 24);
    for (const [from, end] of [
      [0, 30_000],
      [30_000, bytes.length],
    ] as const) {
      next.read(bytes, from, end, sink);
    }
    assert.ok(sink.messages[0]?.equals(bytes.subarray(5)));
  });
});
