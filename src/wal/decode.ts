/** Bytes to batches, trusting none of them. The drawing is in format.ts. */
import { crc32 } from "node:zlib";
import { QuorateError } from "../base/errors.ts";
import type { Entry, EntryKind, Index, MemberId, Term } from "../raft/types.ts";
import { makeEntry } from "../raft/types.ts";
import type { BatchFacts, BatchHead, TermRun } from "./format.ts";
import {
  BLOCK,
  FLAG_OPENS,
  FLAG_RESET,
  getU64,
  HEADER_SIZE,
  MAGIC,
  TERM_FOLLOWS,
  toBlocks,
  VERSION,
} from "./format.ts";

/** Where a batch is expected, and what it must say about itself. */
export interface Place {
  /** The log's; null accepts any: nothing told us yet. */
  readonly salt: number | null;
  readonly generation: number;
  /** From the file's start. */
  readonly offset: number;
  /** Bytes between `offset` and the file's end. */
  readonly room: number;
}

/** A header whose fields fit its place. Its checksum has not been looked at. */
export interface FoundHead extends BatchHead {
  readonly crc: number;
  readonly version: number;
  readonly count: number;
  /** Of header and payload, without padding. */
  readonly size: number;
}

/** The header at the start of `bytes` (at least HEADER_SIZE of them), or null if no batch of this place begins here. */
export function readHead(bytes: Uint8Array, place: Place): FoundHead | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(4, true) !== MAGIC) return null;
  if (view.getUint32(24, true) !== place.generation) return null;
  if (view.getUint32(28, true) !== place.offset / BLOCK) return null;
  const salt = getU64(view, 16);
  if (place.salt !== null && salt !== place.salt) return null;
  const size = HEADER_SIZE + view.getUint32(12, true);
  if (size > place.room) return null;
  return {
    crc: view.getUint32(0, true),
    version: view.getUint16(8, true),
    flags: view.getUint16(10, true),
    salt,
    generation: place.generation,
    sequence: getU64(view, 32),
    previousCrc: view.getUint32(40, true),
    count: view.getUint32(44, true),
    first: getU64(view, 48) as Index,
    previousTerm: getU64(view, 56) as Term,
    hardState: {
      term: getU64(view, 64) as Term,
      vote: view.getBigUint64(72, true) as MemberId,
      commit: getU64(view, 80) as Index,
    },
    size,
  };
}

/** Whether the `head.size` bytes from the start of the header are those that were written. */
export function isWhole(bytes: Uint8Array, head: FoundHead): boolean {
  return crc32(bytes.subarray(4, head.size)) === head.crc;
}

/**
 * Of a batch that failed its check: how many bytes it seems to have had, 0 if nothing suggests that one was begun here.
 * For the log line only; most of its header must agree, since what is left may be anything.
 */
export function tornSize(bytes: Uint8Array, place: Place, sequence: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let agree = 0;
  if (view.getUint32(4, true) === MAGIC) agree += 1;
  if (getU64(view, 16) === place.salt) agree += 1;
  if (view.getUint32(24, true) === place.generation) agree += 1;
  if (view.getUint32(28, true) * BLOCK === place.offset) agree += 1;
  if (getU64(view, 32) === sequence) agree += 1;
  // An older generation's batch agrees in three; one damaged field of ours leaves four.
  if (agree < 4) return 0;
  return Math.min(toBlocks(HEADER_SIZE + view.getUint32(12, true)), place.room);
}

/** A batch that passed its check is laid out wrongly: our bug, or a forged checksum. */
function malformed(): QuorateError {
  return new QuorateError("logCorruption", "a log batch with a good checksum is malformed");
}

/** The metadata of a batch that opens a segment, null for any other; `bytes` begins with the header. */
export function readMetadata(bytes: Uint8Array, head: FoundHead): Uint8Array | null {
  if ((head.flags & FLAG_OPENS) === 0) return null;
  const end = entriesStart(bytes, head);
  return bytes.subarray(HEADER_SIZE + 4, end);
}

function entriesStart(bytes: Uint8Array, head: FoundHead): number {
  if ((head.flags & FLAG_OPENS) === 0) return HEADER_SIZE;
  if (head.size < HEADER_SIZE + 4) throw malformed();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = HEADER_SIZE + 4 + view.getUint32(HEADER_SIZE, true);
  if (start > head.size) throw malformed();
  return start;
}

/** Steps through the entries of a batch that passed its check, without making them. */
class EntryCursor {
  readonly #view: DataView;
  readonly #end: number;
  #next: number;
  term: Term;
  kind = 0;
  dataStart = 0;
  dataEnd = 0;

  constructor(bytes: Uint8Array, head: FoundHead) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = head.size;
    this.#next = entriesStart(bytes, head);
    this.term = head.previousTerm;
  }

  step(): void {
    let at = this.#next;
    if (at + 5 > this.#end) throw malformed();
    const tag = this.#view.getUint8(at);
    this.kind = tag & ~TERM_FOLLOWS;
    at += 1;
    if ((tag & TERM_FOLLOWS) !== 0) {
      if (at + 12 > this.#end) throw malformed();
      this.term = getU64(this.#view, at) as Term;
      at += 8;
    }
    this.dataStart = at + 4;
    this.dataEnd = this.dataStart + this.#view.getUint32(at, true);
    if (this.dataEnd > this.#end) throw malformed();
    this.#next = this.dataEnd;
  }

  assertAtEnd(): void {
    if (this.#next !== this.#end) throw malformed();
  }
}

/** What the map of the log needs to know of a batch that passed its check. */
export function readFacts(bytes: Uint8Array, head: FoundHead): BatchFacts {
  const runs: TermRun[] = [];
  const cursor = new EntryCursor(bytes, head);
  let term = head.previousTerm;
  for (let i = 0; i < head.count; i++) {
    cursor.step();
    if (cursor.term === term) continue;
    if (cursor.term < term) throw malformed();
    term = cursor.term;
    runs.push({ first: (head.first + i) as Index, term });
  }
  cursor.assertAtEnd();
  return {
    first: head.first,
    previousTerm: head.previousTerm,
    count: head.count,
    runs,
    reset: (head.flags & FLAG_RESET) !== 0,
  };
}

/** The entries [from, end) of a batch that passed its check. Their data are views of `bytes`. */
export function readEntries(
  bytes: Uint8Array,
  head: FoundHead,
  from: Index,
  end: Index,
): readonly Entry[] {
  const entries: Entry[] = [];
  const cursor = new EntryCursor(bytes, head);
  const last = Math.min(head.count, end - head.first);
  for (let i = 0; i < last; i++) {
    cursor.step();
    const index = (head.first + i) as Index;
    if (index < from) continue;
    const data = bytes.subarray(cursor.dataStart, cursor.dataEnd);
    entries.push(makeEntry(cursor.term, index, toKind(cursor.kind), data));
  }
  return entries;
}

function toKind(value: number): EntryKind {
  if (value === 0 || value === 1) return value;
  throw malformed();
}

/** Refuses what a newer build wrote; `bytes` passed their check. */
export function assertVersion(name: string, head: FoundHead): void {
  if (head.version === VERSION) return;
  throw new QuorateError(
    "configuration",
    `log file ${name} has format ${head.version}, this build reads format ${VERSION}`,
  );
}
