import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { BackendBuffer } from "../../../src/backend/buffer.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import { MemoryBackend } from "../../../src/backend/memory.ts";
import { BucketTotals } from "../../../src/backend/record.ts";
import { BUCKETS } from "../../../src/backend/state.ts";

type Step =
  | {
      readonly kind: "put" | "delete";
      readonly bucket: Bucket;
      readonly key: number;
      readonly size: number;
    }
  | { readonly kind: "revision" | "seal" | "settle" | "flush" }
  | { readonly kind: "forget"; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("put" as const, "delete" as const),
    bucket: fc.constantFrom(Bucket.lease, Bucket.users, Bucket.meta),
    key: fc.nat(5),
    size: fc.nat(40),
  }),
  fc.record({ kind: fc.constant("forget" as const), at: fc.nat() }),
  fc.record({
    kind: fc.constantFrom("revision", "revision", "seal", "seal", "settle", "flush"),
  }) as fc.Arbitrary<Step>,
);

/** The reference: what every record is, at the end of every entry. */
type Model = Map<string, string>;

const name = (bucket: Bucket, key: Uint8Array): string =>
  `${bucket}:${Buffer.from(key).toString("hex")}`;

function assertAgrees(
  buffer: BackendBuffer,
  model: Model,
  keys: ReadonlyMap<string, [Bucket, Uint8Array]>,
): void {
  for (const [of, [bucket, key]] of keys) {
    const found = buffer.getSync(bucket, key);
    assert.equal(found && Buffer.from(found).toString("latin1"), model.get(of), of);
  }
}

async function assertTotals(buffer: BackendBuffer): Promise<void> {
  const { view, totals } = await buffer.sealedView();
  for (const bucket of BUCKETS) {
    const counted = new BucketTotals();
    const rows = view.iterate(Uint8Array.of(bucket), Uint8Array.of(bucket + 1));
    for (const [recordKey, value] of await rows.next(10_000)) {
      const own = bucket === Bucket.meta && Buffer.from(recordKey).includes("applied");
      if (!own) counted.addStored(recordKey, value);
    }
    assert.equal(String(totals[bucket]), String(counted), `totals of bucket ${bucket}`);
    await rows.close();
  }
  await view.close();
}

class Run {
  backend = new MemoryBackend();
  buffer = BackendBuffer.open(this.backend);
  model: Model = new Map();
  readonly keys = new Map<string, [Bucket, Uint8Array]>();
  readonly revisions: [Uint8Array, Uint8Array][] = [];
  /** What a crash may leave: the state after each entry. */
  readonly history: Model[] = [new Map()];
  #index = 0;
  #made = 0;

  async take(action: Step): Promise<void> {
    switch (action.kind) {
      case "put":
      case "delete":
        this.#change(action.kind, action.bucket, Uint8Array.of(action.key), action.size);
        break;
      case "revision":
        this.#revision();
        break;
      case "forget": {
        const [revision] = this.revisions.splice(action.at % (this.revisions.length || 1), 1);
        if (revision === undefined) break;
        this.buffer.delete(Bucket.keys, revision[0], revision[1]);
        this.model.delete(name(Bucket.keys, revision[0]));
        break;
      }
      case "seal":
        this.seal();
        break;
      case "settle":
        await new Promise((resolve) => setImmediate(resolve));
        break;
      case "flush":
        await this.buffer.flush();
        break;
    }
  }

  seal(): void {
    this.buffer.seal(++this.#index, 1);
    this.history.push(new Map(this.model));
  }

  #change(kind: "put" | "delete", bucket: Bucket, key: Uint8Array, size: number): void {
    this.keys.set(name(bucket, key), [bucket, key]);
    if (kind === "delete") {
      this.buffer.delete(bucket, key);
      this.model.delete(name(bucket, key));
      return;
    }
    const payload = Buffer.alloc(size, `${this.#made++}.`);
    this.buffer.put(bucket, key, payload);
    this.model.set(name(bucket, key), payload.toString("latin1"));
  }

  #revision(): void {
    const key = Uint8Array.of(0, ++this.#made);
    const payload = Buffer.from(`revision ${this.#made}`);
    this.revisions.push([key, payload]);
    this.keys.set(name(Bucket.keys, key), [Bucket.keys, key]);
    this.buffer.put(Bucket.keys, key, payload);
    this.model.set(name(Bucket.keys, key), payload.toString());
  }
}

describe("BackendBuffer against a map", () => {
  it("reads as the map does after any mix of writes, seals and commits (R16)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const run = new Run();
        for (const action of steps) {
          await run.take(action);
          assertAgrees(run.buffer, run.model, run.keys);
        }
        run.seal();
        await assertTotals(run.buffer);
        assertAgrees(run.buffer, run.model, run.keys);
      }),
      { numRuns: 200 },
    );
  });

  it("is after a crash as it was after the entry that it says it applied, not below the durable one (R1)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(), async (steps, kept) => {
        const run = new Run();
        for (const action of steps) await run.take(action);
        const durable = run.buffer.durableIndex;
        const after = BackendBuffer.open(
          run.backend.crash(kept % (run.backend.unflushedBatches + 1)),
        );
        assert.ok(after.appliedIndex >= durable);
        assertAgrees(after, run.history[after.appliedIndex] ?? new Map(), run.keys);
        await assertTotals(after);
      }),
      { numRuns: 200 },
    );
  });
});
