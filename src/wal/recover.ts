/**
 * What a log says after a crash. Since one write is in flight at a time, only the last batch can be half there: a bad
 * batch with no good one after it is a torn tail, which is cut; with one after it, it is corruption, which is named.
 */
import { equalBytes } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import type { HardState, Index, MemberId, Term } from "../raft/types.ts";
import { readFacts, readMetadata, tornSize } from "./decode.ts";
import { BLOCK, FLAG_OPENS, generationOf, HEADER_SIZE, toBlocks } from "./format.ts";
import { VOTE_FILE, VOTE_FILE_SIZE, VOTE_SIZE } from "./format.ts";
import type { LogDevice } from "./fs.ts";
import { LogMap } from "./log-map.ts";
import type { FoundBatch } from "./reader.ts";
import { corrupt, SegmentReader } from "./reader.ts";
import type { VoteRecord } from "./vote.ts";
import { decodeVote, voteOffset } from "./vote.ts";

/** A segment without a batch. */
export interface EmptySegment {
  readonly name: string;
  readonly generation: number;
  readonly size: number;
}

/** Where the newest batch lies. */
export interface LastBatch {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

export interface Recovered {
  readonly map: LogMap;
  readonly hardState: HardState;
  /** The log's; null if nothing tells. */
  readonly salt: number | null;
  /** Of the next batch. */
  readonly sequence: number;
  /** Null if there is no batch. */
  readonly last: LastBatch | null;
  /** Files made for batches to come, in the order of their use. */
  readonly empty: readonly EmptySegment[];
  /** The newest whole record of the vote file; null if there is none. */
  readonly vote: VoteRecord | null;
  readonly tornBytes: number;
}

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Reads everything once. Throws "logCorruption", naming file and offset, or "configuration" if the log is another's. */
export function recover(device: LogDevice, metadata: Uint8Array): Recovered {
  const vote = readVote(device);
  const scan = new Scan(device, metadata, vote?.salt ?? null);
  scan.run();
  const end = scan.endPlace();
  if (vote !== null && vote.sequence > scan.sequence) {
    const missing = `batches ${scan.sequence} to ${vote.sequence - 1}, once durable, are missing`;
    throw corrupt(end.name, end.offset, missing);
  }
  return {
    map: scan.map,
    hardState: reconcile(scan.hardState, vote),
    salt: scan.salt,
    sequence: scan.sequence,
    last: scan.last,
    empty: scan.empty,
    vote,
    tornBytes: scan.tornBytes,
  };
}

function readVote(device: LogDevice): VoteRecord | null {
  if (!device.list().includes(VOTE_FILE)) return null;
  if (device.sizeOf(VOTE_FILE) !== VOTE_FILE_SIZE) {
    throw corrupt(VOTE_FILE, 0, `${device.sizeOf(VOTE_FILE)} bytes long, not ${VOTE_FILE_SIZE}`);
  }
  const [even, odd] = [0, 1].map((slot) =>
    decodeVote(device.read(VOTE_FILE, voteOffset(slot), VOTE_SIZE), slot),
  );
  if (even === null || even === undefined) return odd ?? null;
  if (odd === null || odd === undefined) return even;
  return even.counter > odd.counter ? even : odd;
}

/** The higher of both copies of term and vote: the vote file is written before the batch that follows from it. */
function reconcile(logged: HardState, vote: VoteRecord | null): HardState {
  if (vote === null || vote.term < logged.term) return logged;
  const { term, commit } = logged;
  if (vote.term > term) return { term: vote.term, vote: vote.vote, commit };
  if (vote.vote === logged.vote || vote.vote === 0n) return logged;
  if (logged.vote === 0n) return { term, vote: vote.vote, commit };
  const what = `votes for ${vote.vote} in term ${term}, the log for ${logged.vote}`;
  throw corrupt(VOTE_FILE, voteOffset(vote.counter), what);
}

class Scan {
  readonly #device: LogDevice;
  readonly #metadata: Uint8Array;
  readonly map: LogMap = new LogMap();
  hardState: HardState = { term: 0 as Term, vote: 0n as MemberId, commit: 0 as Index };
  salt: number | null;
  sequence = 1;
  last: LastBatch | null = null;
  empty: EmptySegment[] = [];
  tornBytes = 0;

  constructor(device: LogDevice, metadata: Uint8Array, salt: number | null) {
    this.#device = device;
    this.#metadata = metadata;
    this.salt = salt;
  }

  run(): void {
    const readers = this.#readers();
    let at = 0;
    for (; at < readers.length; at++) {
      const reader = readers[at];
      if (reader === undefined || !this.#walk(reader)) break;
    }
    const rest = readers.slice(at);
    this.empty = rest.map(({ name, generation, size }) => ({ name, generation, size }));
    this.#assertEnd(readers[at - 1] ?? null, rest);
  }

  #readers(): readonly SegmentReader[] {
    const readers: SegmentReader[] = [];
    for (const name of this.#device.list()) {
      const generation = generationOf(name);
      if (generation === null) continue;
      const previous = readers.at(-1)?.generation ?? generation - 1;
      if (generation !== previous + 1) {
        throw corrupt(name, 0, `the log file before it is missing, the last is ${previous}`);
      }
      readers.push(new SegmentReader(this.#device, name, generation, WINDOW_BYTES));
    }
    return readers;
  }

  /** Takes in the batches of a segment. False if it has none at its start. */
  #walk(reader: SegmentReader): boolean {
    let offset = 0;
    for (;;) {
      const batch = reader.batch(offset, this.salt);
      if (batch === null) return offset > 0;
      this.#take(reader, offset, batch);
      offset += toBlocks(batch.head.size);
    }
  }

  #take(reader: SegmentReader, offset: number, { head, bytes }: FoundBatch): void {
    if (this.last !== null) {
      if (head.sequence !== this.sequence) {
        const { name, offset: end } = this.endPlace();
        const what = `bad batch: ${reader.name} offset ${offset} holds batch ${head.sequence}`;
        throw corrupt(name, end, `${what}, batch ${this.sequence} is missing`);
      }
      if (head.previousCrc !== this.last.crc) {
        throw corrupt(reader.name, offset, "does not follow from the batch before it");
      }
    }
    if (((head.flags & FLAG_OPENS) !== 0) !== (offset === 0)) {
      throw corrupt(reader.name, offset, "a batch that opens a segment is not at its start");
    }
    const metadata = readMetadata(bytes, head);
    if (metadata !== null && !equalBytes(metadata, this.#metadata)) {
      throw new QuorateError(
        "configuration",
        `log file ${reader.name} was written by another member or cluster`,
      );
    }
    this.map.add(reader.generation, reader.size, offset, readFacts(bytes, head));
    this.salt = head.salt;
    this.sequence = head.sequence + 1;
    this.hardState = head.hardState;
    this.last = { name: reader.name, offset, size: toBlocks(head.size), crc: head.crc };
  }

  /** Where the next batch would have been written. */
  endPlace(): { readonly name: string; readonly offset: number } {
    if (this.last !== null) {
      return { name: this.last.name, offset: this.last.offset + this.last.size };
    }
    return { name: this.empty[0]?.name ?? VOTE_FILE, offset: 0 };
  }

  /** The walk ended after `tail` (null: before any batch); `rest` are the segments after it. */
  #assertEnd(tail: SegmentReader | null, rest: readonly SegmentReader[]): void {
    const { name, offset } = this.endPlace();
    if (tail !== null) {
      const later = this.#later(tail, offset + BLOCK);
      if (later !== null) throw corrupt(name, offset, `bad batch, good ones follow at ${later}`);
      this.tornBytes += this.#tornAt(tail, offset);
    }
    const [next, ...further] = rest;
    if (next === undefined) return;
    const later = this.#later(next, BLOCK);
    if (later !== null) throw corrupt(next.name, 0, `bad batch, good ones follow at ${later}`);
    this.tornBytes += this.#tornAt(next, 0);
    for (const reader of further) {
      if (reader.batch(0, this.salt) === null) continue;
      throw corrupt(next.name, 0, `bad batch, good ones follow in ${reader.name}`);
    }
  }

  /** Offset of the first good batch of this log and this file's generation from `offset` on. */
  #later(reader: SegmentReader, offset: number): number | null {
    for (let at = offset; at + BLOCK <= reader.size; at += BLOCK) {
      const batch = reader.batch(at, this.salt);
      if (batch !== null && batch.head.sequence >= this.sequence) return at;
    }
    return null;
  }

  #tornAt(reader: SegmentReader, offset: number): number {
    if (offset + BLOCK > reader.size) return 0;
    const bytes = reader.bytes(offset, HEADER_SIZE);
    return tornSize(bytes, reader.placeOf(offset, this.salt), this.sequence);
  }
}
