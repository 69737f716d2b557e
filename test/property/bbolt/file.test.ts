import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { QuorateError } from "../../../src/base/errors.ts";
import { PAGE_BYTES } from "../../../src/bbolt/format.ts";
import { type Content, readFile, writeFile } from "../../unit/bbolt/fixture.ts";

const SEED = 20_261_122;

/** Rows of one bucket: few or many, with values from none to several pages, some of many. */
const rows = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.oneof(
          { weight: 8, arbitrary: fc.nat(300) },
          { weight: 2, arbitrary: fc.nat(20_000) },
          { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 400_000 }) },
        ),
      ),
      { maxLength: 60 },
    ),
    fc.nat(255),
  )
  .map(([entries, fill]) => {
    const byKey = new Map(
      entries.map(([key, size]) => [Buffer.from(key).toString("latin1"), size]),
    );
    return [...byKey]
      .map(([key, size]) => [Buffer.from(key, "latin1"), Buffer.alloc(size, fill)] as const)
      .toSorted(([a], [b]) => Buffer.compare(a, b));
  });

const content: fc.Arbitrary<Content> = fc
  .dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), rows, {
    maxKeys: 6,
    noNullPrototype: true,
  })
  .map((buckets) => new Map(Object.entries(buckets)));

const sorted = (of: Content): Content =>
  new Map([...of].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));

describe("a database file", () => {
  it("read back is what was written, whatever the buckets hold", async () => {
    await fc.assert(
      fc.asyncProperty(content, async (written) => {
        const bytes = writeFile(written);
        assert.equal(bytes.length % PAGE_BYTES, 0);
        assert.deepEqual(await readFile(bytes), sorted(written));
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  it("with many levels of branches is read back in order", async () => {
    // Keys of nearly 32 KiB: two to a branch.
    const keys = Array.from({ length: 300 }, (_, at) => {
      const key = Buffer.alloc(32_700, 0x61);
      key.writeUInt32BE(at, 0);
      return key;
    });
    const written: Content = new Map([
      ["key", keys.map((key) => [key, Buffer.from("v")] as const)],
    ]);
    assert.deepEqual(await readFile(writeFile(written)), written);
  });

  it("cut off anywhere is refused", async () => {
    const bytes = writeFile(await example());
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async (length) => {
        await assert.rejects(readFile(bytes.subarray(0, length)), isCorruption);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it("with a byte flipped is refused, or holds as many rows in order", async () => {
    const written = await example();
    const bytes = writeFile(written);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const altered = Buffer.from(bytes);
          altered[at] = (altered[at] ?? 0) ^ flip;
          let found: Content;
          try {
            found = await readFile(altered);
          } catch (error) {
            if (!isCorruption(error)) throw error;
            refused++;
            return;
          }
          assert.deepEqual(shapeOf(found), shapeOf(written));
        },
      ),
      { seed: SEED, numRuns: 400 },
    );
    assert.ok(refused > 50, `refused ${refused} of 400`);
  });
});

/** Small rows, so that much of the file is structure. */
async function example(): Promise<Content> {
  const row = (at: number): readonly [Buffer, Buffer] => {
    const key = Buffer.alloc(17);
    key.writeUInt32BE(at, 4);
    return [key, Buffer.from(`${at}`)];
  };
  const short = Array.from({ length: 4000 }, (_, at) => row(at));
  return await Promise.resolve(
    new Map([
      ["key", short],
      ["lease", []],
      ["meta", short.slice(0, 3)],
    ]),
  );
}

function shapeOf(of: Content): readonly number[] {
  return [...of.values()].map((bucket) => bucket.length);
}

function isCorruption(error: unknown): boolean {
  return error instanceof QuorateError && error.code === "corruption";
}
