import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PREFIX_BYTES, SendQueue } from "../../../src/grpc/send-queue.ts";

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Everything that waits, in pieces as large as they come. */
function drain(queue: SendQueue): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  while (queue.pieceBytes > 0) pieces.push(queue.take(queue.pieceBytes));
  return pieces;
}

const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ message: fc.uint8Array({ maxLength: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ message: fc.constant(new Uint8Array(70_000).fill(7)) }) },
  { weight: 1, arbitrary: fc.record({ raw: fc.uint8Array({ minLength: 1, maxLength: 300 }) }) },
  { weight: 3, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 20_000 }) }) },
);

test("bytes leave a queue in the order in which they came, however they are taken, and stay as they were", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const queue = new SendQueue();
      const expected: Uint8Array[] = [];
      const taken: Uint8Array[] = [];
      for (const step of actions) {
        if ("message" in step) {
          queue.pushMessage(step.message);
          expected.push(framed(step.message));
        } else if ("raw" in step) {
          queue.push(step.raw);
          expected.push(step.raw);
        } else if (queue.pieceBytes > 0) {
          taken.push(queue.take(Math.min(step.take, queue.pieceBytes)));
        }
        const count = (parts: readonly Uint8Array[]): number => Buffer.concat(parts).length;
        equal(queue.bytes, count(expected) - count(taken));
      }
      taken.push(...drain(queue));
      equal(queue.bytes, 0);
      equal(queue.pieceBytes, 0);
      // Only now: what was taken earlier must not have been written over by what came later.
      deepEqual(Buffer.concat(taken), Buffer.concat(expected));
    }),
    { numRuns: 200 },
  );
});

test("many small messages wait in few buffers", () => {
  const queue = new SendQueue();
  const message = new Uint8Array(95);
  for (let count = 0; count < 50_000; count++) queue.pushMessage(message);
  const pieces = drain(queue);
  ok(pieces.length < 100, `5 MB in ${pieces.length} pieces`);
});
