/** Batches read back from segments, through a window of the file so that small ones do not cost a call each. */
import { QuorateError } from "../base/errors.ts";
import type { Entry, Index } from "../raft/types.ts";
import type { FoundHead, Place } from "./decode.ts";
import { assertVersion, isWhole, readEntries, readHead } from "./decode.ts";
import { BLOCK, HEADER_SIZE } from "./format.ts";
import type { LogDevice } from "./fs.ts";
import type { LogMap } from "./log-map.ts";

/** Names the file and the offset of bytes that fail their check. */
export function corrupt(name: string, offset: number, what: string): QuorateError {
  return new QuorateError("logCorruption", `log file ${name} offset ${offset}: ${what}`);
}

/** A batch that passed its check; `bytes` begin with its header and are not written again. */
export interface FoundBatch {
  readonly head: FoundHead;
  readonly bytes: Uint8Array;
}

/** Reads one file. Never asks for more memory than the file has bytes. */
export class SegmentReader {
  readonly #device: LogDevice;
  readonly name: string;
  readonly generation: number;
  readonly size: number;
  readonly #windowBytes: number;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;

  constructor(device: LogDevice, name: string, generation: number, windowBytes: number) {
    this.#device = device;
    this.name = name;
    this.generation = generation;
    this.size = device.sizeOf(name);
    this.#windowBytes = windowBytes;
  }

  /** Bytes of the file; a view of the window. */
  bytes(offset: number, length: number): Uint8Array {
    let start = offset - this.#windowStart;
    if (start < 0 || start + length > this.#window.length) {
      const wanted = Math.max(length, Math.min(this.#windowBytes, this.size - offset));
      this.#window = this.#device.read(this.name, offset, wanted);
      this.#windowStart = offset;
      start = 0;
    }
    return this.#window.subarray(start, start + length);
  }

  placeOf(offset: number, salt: number | null): Place {
    return { salt, generation: this.generation, offset, room: this.size - offset };
  }

  /** The batch that begins here and passes its check; null if there is none. */
  batch(offset: number, salt: number | null): FoundBatch | null {
    if (offset + BLOCK > this.size) return null;
    const head = readHead(this.bytes(offset, HEADER_SIZE), this.placeOf(offset, salt));
    if (head === null) return null;
    const bytes = this.bytes(offset, head.size);
    if (!isWhole(bytes, head)) return null;
    assertVersion(this.name, head);
    return { head, bytes };
  }
}

const READ_WINDOW_BYTES = 128 * 1024;

/**
 * Entries of [from, end) from the files: at least one, then as many as fit in `bytesMax` of data. Null if `from` is no
 * longer held. Invariant: from < end <= last + 1. Every batch read is checked again.
 */
export function readRange(
  device: LogDevice,
  map: LogMap,
  salt: number,
  range: { readonly from: Index; readonly end: Index; readonly bytesMax: number },
): readonly Entry[] | null {
  const found: Entry[] = [];
  let size = 0;
  let reader: SegmentReader | null = null;
  for (let next = range.from; next < range.end;) {
    const span = map.find(next);
    if (span === null) return null;
    if (reader?.name !== span.segment.name) {
      const { name, generation } = span.segment;
      reader = new SegmentReader(device, name, generation, READ_WINDOW_BYTES);
    }
    const batch = reader.batch(span.offset, salt);
    if (batch === null) throw corrupt(reader.name, span.offset, "a batch fails its check");
    // One copy a batch: the window, and with it the padding, must not live as long as an entry.
    const bytes = new Uint8Array(batch.bytes);
    const end = Math.min(span.end, range.end) as Index;
    for (const entry of readEntries(bytes, batch.head, next, end)) {
      size += entry.data.length;
      if (found.length > 0 && size > range.bytesMax) return found;
      found.push(entry);
    }
    if (found.at(-1)?.index !== end - 1) {
      throw corrupt(reader.name, span.offset, `entry ${next} is not where it was written`);
    }
    next = end;
  }
  return found;
}
