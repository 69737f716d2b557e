/**
 * The bytes of the log. May change only by adding a version. All integers are little-endian.
 *
 * A segment file `<generation, 16 hex digits>.wal` is a run of batches, each at a multiple of 4096 bytes:
 *
 *   | batch | pad | batch | batch | pad | ... | zeros, or bytes of an older generation |
 *   0             4096*k                                                     file's end
 *
 * A batch is what one write carries:
 *
 *    0 u32 crc              CRC-32 of bytes [4, 88 + length)
 *    4 u32 magic            "QWAL"
 *    8 u16 version          1
 *   10 u16 flags            1: opens its segment; 2: the log restarts empty at first
 *   12 u32 length           of the payload
 *   16 u64 salt             drawn when the log was born: a client's bytes cannot pose as a batch
 *   24 u32 generation       the file's; another one's bytes are not data
 *   28 u32 block            the batch's own offset / 4096
 *   32 u64 sequence         1 more than the previous batch's
 *   40 u32 previousCrc      the previous batch's crc
 *   44 u32 count            of entries
 *   48 u64 first            index of the first entry; with no entries, that of the next one
 *   56 u64 previousTerm     term of entry first - 1
 *   64 u64 term   \
 *   72 u64 vote    >        the hard state once this batch is durable
 *   80 u64 commit /
 *   88     payload
 *
 * The payload of a batch that opens its segment begins with u32 length and the log's metadata. Then, for each entry,
 *
 *   u8 tag (bits 0-6 kind, bit 7 set: a term follows) | [u64 term] | u32 length | data
 *
 * where an entry without a term has that of the entry before it, the first one `previousTerm`.
 *
 * The file `vote` holds term and vote a second time, in two slots at 0 and 4096 that take turns:
 *
 *    0 u32 crc of [4, 64) | 4 u32 magic "QVOT" | 8 u16 version | 10 u16 0 | 12 u32 slot | 16 u64 salt
 *   24 u64 counter          the higher one stands
 *   32 u64 sequence         every batch below it was durable when this was written
 *   40 u64 term | 48 u64 vote | 56 u64 0
 */
import type { HardState, Index, Term } from "../raft/types.ts";

/** Batches begin at multiples of this, so that no write touches a page with durable bytes of another. */
export const BLOCK = 4096;
export const HEADER_SIZE = 88;
/** A tag, a term and a length: what an entry takes beyond its data, at most. */
export const ENTRY_OVERHEAD_MAX = 13;
export const MAGIC = 0x4c415751;
export const VERSION = 1;
export const FLAG_OPENS = 1;
export const FLAG_RESET = 2;
export const TERM_FOLLOWS = 0x80;

export const VOTE_FILE = "vote";
export const VOTE_SIZE = 64;
export const VOTE_FILE_SIZE: number = 2 * BLOCK;
export const VOTE_MAGIC = 0x544f5651;

/** The fields of a batch's header, but for those that say where it lies. */
export interface BatchHead {
  readonly flags: number;
  readonly salt: number;
  readonly generation: number;
  readonly sequence: number;
  readonly previousCrc: number;
  readonly first: Index;
  readonly previousTerm: Term;
  readonly hardState: HardState;
}

/** From here on entries have this term, until the next one says otherwise. */
export interface TermRun {
  readonly first: Index;
  readonly term: Term;
}

/** What is known of a batch without its bytes: what the map of the log takes in. */
export interface BatchFacts {
  readonly first: Index;
  readonly previousTerm: Term;
  readonly count: number;
  /** Where terms change within the batch. */
  readonly runs: readonly TermRun[];
  /** The log restarts empty after first - 1. */
  readonly reset: boolean;
}

/** The next multiple of the block. */
export function toBlocks(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** A safe integer as 8 bytes. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** 8 bytes as a number; not exact above 2^53, which no writer of ours writes. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

const SEGMENT_NAME = /^([0-9a-f]{16})\.wal$/;

export function segmentName(generation: number): string {
  return `${generation.toString(16).padStart(16, "0")}.wal`;
}

/** Null if the name is not a segment's. */
export function generationOf(name: string): number | null {
  const digits = SEGMENT_NAME.exec(name)?.[1];
  return digits === undefined ? null : Number.parseInt(digits, 16);
}
