/**
 * A change as watchers get it: the encoded mvccpb.Event, made once however many of them there are.
 *
 * ```
 * 08 01 if a delete | 12 len KeyValue | 1A len previous KeyValue
 * ```
 */
import type { Change, History } from "./change.ts";
import { varintSize, writeVarint } from "./record.ts";

const TAG_TYPE = 0x08;
const TYPE_DELETE = 1;
const TAG_KV = 0x12;
const TAG_PREVIOUS = 0x1a;

export class WatchEvent {
  readonly change: Change;
  #plain: Uint8Array | null = null;
  #withPrevious: Uint8Array | null = null;
  #previous: Uint8Array | undefined | Promise<Uint8Array | undefined> | null = null;

  constructor(change: Change) {
    this.change = change;
  }

  plain(): Uint8Array {
    return (this.#plain ??= encodeEvent(this.change, undefined));
  }

  /** With prev_kv; null where that must be loaded first. */
  withPrevious(history: History): Uint8Array | null {
    if (this.#withPrevious !== null) return this.#withPrevious;
    if (this.#previous === null) this.#previous = history.previousRecord(this.change);
    if (this.#previous instanceof Promise) return null;
    const previous = this.#previous;
    return (this.#withPrevious =
      previous === undefined ? this.plain() : encodeEvent(this.change, previous));
  }

  /** Loads prev_kv: afterwards `withPrevious` answers. */
  async load(history: History): Promise<void> {
    if (this.#previous === null) this.#previous = history.previousRecord(this.change);
    this.#previous = await this.#previous;
  }
}

function encodeEvent(change: Change, previous: Uint8Array | undefined): Uint8Array {
  const { record, tombstone } = change;
  let size = (tombstone ? 2 : 0) + 1 + varintSize(record.length) + record.length;
  if (previous !== undefined) size += 1 + varintSize(previous.length) + previous.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  if (tombstone) {
    bytes[at++] = TAG_TYPE;
    bytes[at++] = TYPE_DELETE;
  }
  bytes[at++] = TAG_KV;
  at = writeVarint(bytes, at, record.length);
  bytes.set(record, at);
  at += record.length;
  if (previous === undefined) return bytes;
  bytes[at++] = TAG_PREVIOUS;
  at = writeVarint(bytes, at, previous.length);
  bytes.set(previous, at);
  return bytes;
}
