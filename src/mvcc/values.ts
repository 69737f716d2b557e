/** Records by revision: from what is on its way, else from the backend, the misses of one turn in one trip. */
import { deferred, type Deferred } from "../base/deferred.ts";
import type { Backend } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { corruption, openRecord, toRecordKey } from "../backend/record.ts";
import type { PendingChanges } from "./pending.ts";
import { REVISION_KEY_BYTES, type Revision, toRevisionKey, writeRevisionKey } from "./revision.ts";

const PART_KEYS = 256;
const KEY_BYTES = 1 + REVISION_KEY_BYTES;

interface Wish {
  readonly recordKeys: readonly Uint8Array[];
  readonly done: Deferred<Uint8Array[]>;
}

export class Values {
  readonly #backend: Backend;
  readonly #pending: PendingChanges;
  readonly #onDamage: (error: unknown) => void;
  #wishes: Wish[] = [];

  /** `onDamage` is told of every failed load besides who asked for it. */
  constructor(
    backend: Backend,
    pending: PendingChanges,
    onDamage: (error: unknown) => void = () => {},
  ) {
    this.#backend = backend;
    this.#pending = pending;
    this.#onDamage = onDamage;
  }

  /** Synchronous and on the loop where the record is not in memory: for apply alone. Throws "corruption" if it is absent. */
  loadSync(main: number, sub: number): Uint8Array {
    const pending = this.#pending.record(main, sub);
    if (pending !== undefined) return pending;
    const recordKey = toRecordKey(Bucket.keys, toRevisionKey(main as Revision, sub, false));
    return openFound(recordKey, this.#backend.getSync(recordKey));
  }

  /**
   * Records of puts that are neither cached nor pending, in the order asked. The index has them, and they are pinned or not
   * compacted: rejects with "corruption" where one is absent or damaged. Joins the other loads of the turn.
   */
  async load(mains: readonly number[], subs: readonly number[]): Promise<Uint8Array[]> {
    const recordKeys: Uint8Array[] = [];
    const slab = Buffer.allocUnsafe(mains.length * KEY_BYTES);
    for (let at = 0; at < mains.length; at++) {
      const key = slab.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES);
      key[0] = Bucket.keys;
      writeRevisionKey(key, mains[at] as number, subs[at] as number, 1);
      recordKeys.push(key);
    }
    const done = deferred<Uint8Array[]>();
    this.#wishes.push({ recordKeys, done });
    if (this.#wishes.length === 1) queueMicrotask(() => void this.#fulfil());
    return await done.promise;
  }

  async #fulfil(): Promise<void> {
    const wishes = this.#wishes;
    this.#wishes = [];
    try {
      const all =
        wishes.length === 1 ? wishes[0]?.recordKeys : wishes.flatMap((of) => of.recordKeys);
      const stored = await this.#getMany(all ?? []);
      let at = 0;
      for (const { recordKeys, done } of wishes) {
        this.#answer(recordKeys, stored.slice(at, at + recordKeys.length), done);
        at += recordKeys.length;
      }
    } catch (error) {
      for (const { done } of wishes) done.reject(error);
      this.#onDamage(error);
    }
  }

  /** A damaged record fails those who asked for it, nobody else of the turn. */
  #answer(
    recordKeys: readonly Uint8Array[],
    stored: readonly (Uint8Array | undefined)[],
    done: Wish["done"],
  ): void {
    try {
      done.resolve(recordKeys.map((recordKey, at) => openFound(recordKey, stored[at])));
    } catch (error) {
      done.reject(error);
      this.#onDamage(error);
    }
  }

  /** Many keys in parts, which the backend reads side by side. */
  async #getMany(recordKeys: readonly Uint8Array[]): Promise<readonly (Uint8Array | undefined)[]> {
    if (recordKeys.length <= PART_KEYS) return await this.#backend.getMany(recordKeys);
    const parts: Promise<readonly (Uint8Array | undefined)[]>[] = [];
    for (let from = 0; from < recordKeys.length; from += PART_KEYS) {
      parts.push(this.#backend.getMany(recordKeys.slice(from, from + PART_KEYS)));
    }
    return (await Promise.all(parts)).flat();
  }
}

function openFound(recordKey: Uint8Array, stored: Uint8Array | undefined): Uint8Array {
  if (stored === undefined) throw corruption(recordKey, "the index has it, the store has not");
  return openRecord(recordKey, stored);
}
