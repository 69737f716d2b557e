/** The envelope: what the hand-written encoder makes, the generated decoder must read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  command,
  decodeCommand,
  encodeCommand as encodeGenerated,
} from "../../../src/api/gen/command.ts";
import { encodePutRequest, putRequest } from "../../../src/api/gen/kv.ts";
import { AssertionError } from "../../../src/base/assert.ts";
import { CommandField, encodeCommand, readRequestId } from "../../../src/machine/command.ts";

const PREFIXES = [0, 1, 0xff, 0x100, 0x7fff, 0x8000, 0xffff];
const SEQUENCES = [0, 1, 127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 32, 2 ** 40 + 5, 2 ** 48 - 1];

function idOf(prefix: number, sequence: number): bigint {
  return (BigInt(prefix) << 48n) | BigInt(sequence);
}

describe("a command", () => {
  it("carries every request id, the extremes too, as the decoder and the short reader see it", () => {
    const body = Buffer.from(encodePutRequest(putRequest({ key: Buffer.from("k") })));
    for (const prefix of PREFIXES) {
      for (const sequence of SEQUENCES) {
        const bytes = encodeCommand(prefix, sequence, CommandField.put, body);
        const decoded = decodeCommand(bytes);
        assert.equal(decoded.requestId, idOf(prefix, sequence));
        assert.equal(decoded.kind?.kind, "put");
        const id = { prefix: -1, sequence: -1 };
        readRequestId(bytes, id);
        assert.deepEqual(id, { prefix, sequence });
      }
    }
  });

  it("is read with its id from the generated encoder too, whose varints are short", () => {
    for (const prefix of PREFIXES) {
      for (const sequence of SEQUENCES) {
        const kind = { kind: "put" as const, value: putRequest({}) };
        const bytes = Buffer.from(
          encodeGenerated(command({ requestId: idOf(prefix, sequence), kind })),
        );
        const id = { prefix: -1, sequence: -1 };
        readRequestId(bytes, id);
        assert.deepEqual(id, { prefix, sequence });
      }
    }
  });

  it("without an id belongs to nobody", () => {
    const id = { prefix: 5, sequence: 5 };
    readRequestId(new Uint8Array(), id);
    assert.deepEqual(id, { prefix: 0, sequence: 0 });
    readRequestId(Buffer.from([0x22, 0x00]), id);
    assert.deepEqual(id, { prefix: 0, sequence: 0 });
  });

  it("holds the body byte for byte, of any length, under the field of its kind", () => {
    for (const length of [0, 1, 127, 128, 300, 16_384, 2_000_000]) {
      const value = Buffer.alloc(length, 7);
      const body = Buffer.from(encodePutRequest(putRequest({ key: Buffer.from("k"), value })));
      const { kind } = decodeCommand(encodeCommand(1, 2, CommandField.put, body));
      assert.ok(kind?.kind === "put");
      assert.deepEqual(Buffer.from(kind.value.value), value);
    }
    for (const [name, field] of Object.entries(CommandField)) {
      const { kind } = decodeCommand(encodeCommand(1, 2, field, new Uint8Array()));
      assert.equal(kind?.kind, name);
    }
  });

  it("refuses an id that does not fit its bits", () => {
    const body = new Uint8Array();
    for (const [prefix, sequence] of [
      [0x1_0000, 0],
      [-1, 0],
      [0, 2 ** 48],
      [0, -1],
    ] as const) {
      assert.throws(() => encodeCommand(prefix, sequence, CommandField.put, body), AssertionError);
    }
  });
});
