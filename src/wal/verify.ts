/**
 * Reads a log that is in use once more, batch by batch: what recovery would say of it, without stopping anything. A damaged
 * batch is found by its CRC, a lost one by the sequence of those around it.
 */
import type { QuorateError } from "../base/errors.ts";
import { type FoundHead, isWhole, readHead } from "./decode.ts";
import { BLOCK, HEADER_SIZE, toBlocks } from "./format.ts";
import { corrupt } from "./reader.ts";

/** What of the log was durable at one moment. */
export interface LogExtent {
  readonly salt: number;
  /** Oldest first. */
  readonly segments: readonly {
    readonly name: string;
    readonly generation: number;
    readonly size: number;
  }[];
  /** Of the batch that comes next. */
  readonly sequence: number;
}

/** Bytes of a log file from `offset` on: as many as there are up to `length`. */
export type ReadPart = (name: string, offset: number, length: number) => Promise<Uint8Array>;

const WINDOW_BYTES = 256 * 1024;

/**
 * Yields the bytes of each part after it was checked; the caller decides when the next one is read. Throws "logCorruption",
 * naming file and offset. A segment may be released meanwhile: the caller asks whether the one that is named is still in use.
 */
export async function* verifyLog(extent: LogExtent, read: ReadPart): AsyncGenerator<number, void> {
  let expected: number | null = null;
  let previousCrc = 0;
  /** Where the chain ended, until a batch continues it. */
  let end: { readonly name: string; readonly offset: number } | null = null;
  for (const segment of extent.segments) {
    if (end !== null && expected === null) break;
    const walk = new SegmentWalk(segment, extent.salt, read);
    for (;;) {
      const head = await walk.next();
      if (head === null) break;
      if (head.sequence >= extent.sequence) return;
      const follows = expected === null || head.sequence === expected;
      if (!follows || (expected !== null && head.previousCrc !== previousCrc)) break;
      expected = head.sequence + 1;
      previousCrc = head.crc;
      walk.skip(head);
      if (walk.readBytes > 0) yield walk.takeRead();
    }
    // A segment that does not continue the chain shows where it broke: at the end of the one before it.
    if (walk.offset === 0 && end !== null) break;
    end = { name: segment.name, offset: walk.offset };
  }
  if (end !== null && expected !== extent.sequence) throw broken(end, expected);
}

function broken(
  end: { readonly name: string; readonly offset: number },
  expected: number | null,
): QuorateError {
  return corrupt(end.name, end.offset, `bad batch${expected === null ? "" : ` ${expected}`}`);
}

class SegmentWalk {
  readonly #segment: LogExtent["segments"][number];
  readonly #salt: number;
  readonly #read: ReadPart;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  offset = 0;
  /** Since they were taken last. */
  readBytes = 0;

  constructor(segment: LogExtent["segments"][number], salt: number, read: ReadPart) {
    this.#segment = segment;
    this.#salt = salt;
    this.#read = read;
  }

  /** The whole batch at `offset`; null if there is none. */
  async next(): Promise<FoundHead | null> {
    const { offset } = this;
    const { size, generation } = this.#segment;
    if (offset + BLOCK > size) return null;
    const place = { salt: this.#salt, generation, offset, room: size - offset };
    const start = await this.#bytes(offset, HEADER_SIZE);
    const head = start === null ? null : readHead(start, place);
    if (head === null) return null;
    const bytes = await this.#bytes(offset, head.size);
    return bytes !== null && isWhole(bytes, head) ? head : null;
  }

  skip(head: FoundHead): void {
    this.offset += toBlocks(head.size);
  }

  takeRead(): number {
    const bytes = this.readBytes;
    this.readBytes = 0;
    return bytes;
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array | null> {
    let start = offset - this.#windowStart;
    if (start < 0 || start + length > this.#window.length) {
      const wanted = Math.max(length, Math.min(WINDOW_BYTES, this.#segment.size - offset));
      this.#window = await this.#read(this.#segment.name, offset, wanted);
      this.#windowStart = offset;
      this.readBytes += this.#window.length;
      start = 0;
    }
    const found = this.#window.subarray(start, start + length);
    return found.length < length ? null : found;
  }
}
