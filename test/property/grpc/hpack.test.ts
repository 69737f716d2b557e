import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeFields, HpackDecoder } from "../../../src/grpc/hpack.ts";
import { decodeHuffman, encodeHuffman } from "../../../src/grpc/huffman.ts";
import { FrameReader } from "../../../src/grpc/frame-reader.ts";
import { MessageReader } from "../../../src/grpc/message-reader.ts";
import { ConnectionError, writeFrameHeader } from "../../../src/grpc/frame.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const latin1 = bytes.map((some) => Buffer.from(some).toString("latin1"));

describe("Huffman", () => {
  it("gives back every text", () => {
    fc.assert(
      fc.property(latin1, (text) => {
        const coded = encodeHuffman(text);
        assert.equal(decodeHuffman(coded, 0, coded.length), text);
      }),
    );
  });
});

describe("HpackDecoder", () => {
  it("gives back every list of literals", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(latin1, latin1)), (fields) => {
        const decoder = new HpackDecoder(1 << 20);
        const block = encodeFields(fields);
        decoder.decode(block, 0, block.length);
        assert.deepEqual(
          decoder.names.slice(0, decoder.count).map((name, at) => [name, decoder.values[at]]),
          fields,
        );
      }),
    );
  });

  it("ends any other bytes with a COMPRESSION_ERROR or a list, never otherwise", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (blocks) => {
        const decoder = new HpackDecoder(4096);
        try {
          for (const block of blocks) decoder.decode(Buffer.from(block), 0, block.length);
        } catch (error) {
          assert.ok(error instanceof ConnectionError);
          assert.equal(error.code, 9);
        }
      }),
    );
  });
});

/** `whole` in pieces, cut at the given places. */
function pieces(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const at = cuts.map((cut) => cut % (whole.length + 1)).toSorted((a, b) => a - b);
  return [...at, whole.length].map((end, index) =>
    Buffer.from(whole.subarray(at[index - 1] ?? 0, end)),
  );
}

describe("FrameReader", () => {
  it("finds the same frames however the stream is cut", () => {
    const frames = fc.array(fc.tuple(fc.nat(20), fc.nat(255), fc.nat(0x7fff_ffff), bytes));
    fc.assert(
      fc.property(frames, fc.array(fc.nat()), (list, cuts) => {
        const whole = Buffer.concat(
          list.map(([type, flags, stream, payload]) => {
            const head = Buffer.alloc(9);
            writeFrameHeader(head, 0, payload.length, type, flags, stream);
            return Buffer.concat([head, payload]);
          }),
        );
        const seen: [number, number, number, Uint8Array][] = [];
        const reader = new FrameReader({
          onFrame: (type, flags, stream, from, start, end) =>
            void seen.push([type, flags, stream, Uint8Array.from(from.subarray(start, end))]),
        });
        for (const piece of pieces(whole, cuts)) reader.read(piece);
        assert.deepEqual(seen, list);
      }),
    );
  });
});

describe("MessageReader", () => {
  it("finds the same messages however the stream is cut, and gives back all that it held", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 9_000 })),
        fc.array(fc.nat()),
        (list, cuts) => {
          const whole = Buffer.concat(
            list.map((body) => {
              const head = Buffer.alloc(5);
              head.writeUInt32BE(body.length, 1);
              return Buffer.concat([head, body]);
            }),
          );
          const seen: Uint8Array[] = [];
          let held = 0;
          const reader = new MessageReader(9_000);
          const sink = {
            onMessage: (_compressed: boolean, body: Buffer) => seen.push(Uint8Array.from(body)) > 0,
            onOversize: () => assert.fail("no message is too large"),
            onHold: (more: number) => {
              held += more;
              return true;
            },
          };
          for (const piece of pieces(whole, cuts)) {
            reader.read(piece, 0, piece.length, sink);
            // What came in is lent: whoever kept it would see this.
            piece.fill(0xee);
          }
          assert.deepEqual(seen, list);
          assert.equal(held, 0);
        },
      ),
      { numRuns: 50 },
    );
  });
});
