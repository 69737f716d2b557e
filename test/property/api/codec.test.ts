import fc from "fast-check";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MESSAGES } from "../../../src/api/gen/registry.ts";
import { DecodeError } from "../../../src/api/reader.ts";
import { messageSpec, oracleDecode, oracleEncode, plain, records } from "./oracle.ts";
import type { Fields } from "./oracle.ts";

/** Deep enough for a Txn within a Txn with versions in its answer. */
const DEPTH = 4;
const RUNS = { numRuns: 25 };

/** Field 2000 of every wire type, a group in a group among them: none of ours has this number. */
const UNKNOWN = [
  "80 7d 96 01",
  "81 7d 01 02 03 04 05 06 07 08",
  "82 7d 03 61 62 63",
  "83 7d 08 01 0b 12 01 61 0c 84 7d",
  "85 7d 01 02 03 04",
].map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex"));

describe("generated codecs", () => {
  for (const name of Object.keys(MESSAGES)) {
    const spec = messageSpec(name);

    it(`${name} has the bytes that protobufjs writes, and reads as what it was`, () => {
      fc.assert(
        fc.property(records(name, DEPTH), (record) => {
          const ours = Buffer.from(spec.encode(record));
          const theirs = Buffer.from(oracleEncode(name, record));
          assert.equal(ours.toString("hex"), theirs.toString("hex"));
          const wanted = plain(name, record);
          assert.deepEqual(plain(name, spec.decode(theirs) as Fields), wanted);
          assert.deepEqual(oracleDecode(name, ours), wanted);
        }),
        RUNS,
      );
    });

    it(`${name} passes over fields it does not know`, () => {
      fc.assert(
        fc.property(records(name, 2), fc.constantFrom(...UNKNOWN), (record, unknown) => {
          const bytes = Buffer.from(spec.encode(record));
          const wanted = plain(name, record);
          const before = Buffer.concat([unknown, bytes]);
          const after = Buffer.concat([bytes, unknown]);
          assert.deepEqual(plain(name, spec.decode(before) as Fields), wanted);
          assert.deepEqual(plain(name, spec.decode(after) as Fields), wanted);
        }),
        { numRuns: 10 },
      );
    });

    it(`${name} in a larger buffer is read within its bounds`, () => {
      fc.assert(
        fc.property(records(name, 2), (record) => {
          const bytes = Buffer.from(spec.encode(record));
          const around = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
          const decoded = spec.decode(around, 3, 3 + bytes.length) as Fields;
          assert.deepEqual(plain(name, decoded), plain(name, record));
        }),
        { numRuns: 5 },
      );
    });
  }

  it("any bytes decode or are refused with a DecodeError, and what decodes survives a round trip", () => {
    const names = Object.keys(MESSAGES);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.uint8Array({ maxLength: 40 }), (name, bytes) => {
        decodesOrRefuses(name, bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  it("a message with one byte changed or cut off decodes or is refused with a DecodeError", () => {
    const damaged = fc
      .constantFrom("TxnRequest", "WatchResponse", "Command", "PeerMessages")
      .chain((name) =>
        fc.tuple(fc.constant(name), records(name, 3), fc.nat(), fc.nat(255), fc.boolean()),
      );
    fc.assert(
      fc.property(damaged, ([name, record, at, byte, cut]) => {
        const bytes = Buffer.from(messageSpec(name).encode(record));
        if (bytes.length === 0) return;
        const where = at % bytes.length;
        if (!cut) bytes[where] = byte;
        decodesOrRefuses(name, cut ? bytes.subarray(0, where) : bytes);
      }),
      { numRuns: 500 },
    );
  });
});

function decodesOrRefuses(name: string, bytes: Uint8Array): void {
  const spec = messageSpec(name);
  let decoded: object;
  try {
    decoded = spec.decode(bytes);
  } catch (thrown) {
    assert.ok(thrown instanceof DecodeError, `a ${String(thrown)} is no DecodeError`);
    return;
  }
  const wanted = plain(name, decoded as Fields);
  const again = Buffer.from(spec.encode(decoded));
  assert.deepEqual(plain(name, spec.decode(again) as Fields), wanted);
}
