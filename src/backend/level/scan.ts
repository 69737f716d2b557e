/**
 * One pass over a bucket of LevelDB's tables, past LevelDB: at start-up every record is read once, and two Buffers a record,
 * as an iterator hands them over, cost more than all that is done with it.
 */
import type { RecordVisitor } from "../backend.ts";
import type { Bucket } from "../buckets.ts";
import { readRuns } from "./manifest.ts";
import { RunReader } from "./table.ts";

/**
 * Visits the records of `bucket` from the record key `from` on, in the tables that the manifest in `directory` names now.
 * Nothing may have been written since the store was opened. Answers null when all were visited; if LevelDB replaced a table
 * meanwhile, the key from which on the rest is to be read through LevelDB. Throws "corruption", naming the file.
 */
export async function scanTables(
  directory: string,
  bucket: Bucket,
  from: Uint8Array,
  visit: RecordVisitor,
): Promise<Uint8Array | null> {
  const merge = new Merge(bucket, from, visit);
  try {
    for (const tables of await readRuns(directory)) {
      await merge.add(new RunReader(tables, from));
    }
    await merge.run();
    return null;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return merge.rest;
    }
    throw error;
  } finally {
    await merge.close();
  }
}

/** Runs side by side, as one in the order of keys; of equal keys only the newest record counts. */
class Merge {
  readonly #bucket: Bucket;
  readonly #from: Uint8Array;
  readonly #visit: RecordVisitor;
  /** Those that stand on a record of the bucket. */
  readonly #runs: RunReader[] = [];
  readonly #all: RunReader[] = [];
  /** The last key met, of a deleted record too: older records with it do not count. */
  #met = Buffer.alloc(256);
  #metLength = 0;
  /** Views of `#met`, by length. */
  #keys: Uint8Array[] = [];

  constructor(bucket: Bucket, from: Uint8Array, visit: RecordVisitor) {
    this.#bucket = bucket;
    this.#from = from;
    this.#visit = visit;
  }

  /** Where to go on. */
  get rest(): Uint8Array {
    if (this.#metLength === 0) return this.#from;
    return Buffer.concat([this.#met.subarray(0, this.#metLength), Uint8Array.of(0)]);
  }

  async add(run: RunReader): Promise<void> {
    this.#all.push(run);
    if (await this.#next(run)) this.#runs.push(run);
  }

  async close(): Promise<void> {
    for (const run of this.#all) await run.close();
  }

  async run(): Promise<void> {
    const runs = this.#runs;
    while (runs.length > 0) {
      runs.sort(byKey);
      const [first, second = null] = runs;
      if (first === undefined) return;
      if (!(await this.#take(first, second))) runs.shift();
    }
  }

  /** Visits what `run` has before the record of `other`; false if the run has come to its end. */
  async #take(run: RunReader, other: RunReader | null): Promise<boolean> {
    do {
      this.#meet(run);
      while (run.advance()) {
        if (run.key[0] !== this.#bucket) return await this.#next(run, true);
        if (other !== null && byKey(run, other) > 0) return true;
        this.#meet(run);
      }
      if (!(await this.#next(run))) return false;
    } while (other === null || byKey(run, other) < 0);
    return true;
  }

  /** On to the next record of the bucket, over those before `from`; false if there is none. */
  async #next(run: RunReader, standing = false): Promise<boolean> {
    let isStanding = standing;
    for (;;) {
      while (isStanding || run.advance()) {
        isStanding = false;
        const bucket = run.key[0] as number;
        if (bucket > this.#bucket) return false;
        if (!isBelow(run, this.#from)) return true;
      }
      if (!(await run.load())) return false;
    }
  }

  #meet(run: RunReader): void {
    const { key, keyLength } = run;
    if (keyLength === this.#metLength && isSame(key, this.#met, keyLength)) return;
    if (keyLength > this.#met.length) {
      this.#met = Buffer.alloc(2 * keyLength);
      this.#keys = [];
    }
    for (let at = 0; at < keyLength; at++) this.#met[at] = key[at] as number;
    this.#metLength = keyLength;
    if (run.deleted) return;
    const { buffer, byteOffset } = run.bytes;
    const view = (this.#keys[keyLength] ??= this.#met.subarray(0, keyLength));
    const { valueFrom, valueEnd } = run;
    this.#visit(view, new Uint8Array(buffer, byteOffset + valueFrom, valueEnd - valueFrom));
  }
}

function isBelow(run: RunReader, key: Uint8Array): boolean {
  return run.key.compare(key, 0, key.length, 0, run.keyLength) < 0;
}

/** By key; of equal keys the newest first. A loop: the call into C++ would cost more than these few bytes. */
function byKey(a: RunReader, b: RunReader): number {
  const length = Math.min(a.keyLength, b.keyLength);
  for (let at = 0; at < length; at++) {
    const order = (a.key[at] as number) - (b.key[at] as number);
    if (order !== 0) return order;
  }
  return a.keyLength - b.keyLength || b.sequence - a.sequence;
}

/** From the end, where revisions differ first. */
function isSame(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let at = length - 1; at >= 0; at--) if (a[at] !== b[at]) return false;
  return true;
}
