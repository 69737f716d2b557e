/** Batches to bytes: one copy of the data, one checksum over all of it. The drawing is in format.ts. */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import type { Entry, Index, Term } from "../raft/types.ts";
import type { BatchFacts, BatchHead, TermRun } from "./format.ts";
import {
  BLOCK,
  FLAG_OPENS,
  FLAG_RESET,
  HEADER_SIZE,
  MAGIC,
  putU64,
  TERM_FOLLOWS,
  toBlocks,
  VERSION,
} from "./format.ts";

/**
 * Builds one batch in a borrowed buffer: `begin`, `metadata` if it opens a segment, `append` as often as needed,
 * `finish`. The buffer must have room for what is put in, rounded up to whole blocks.
 */
export class BatchEncoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #end = HEADER_SIZE;
  #count = 0;
  #first = 0 as Index;
  #term = 0 as Term;
  #runs: TermRun[] = [];

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Takes the memory that batches are built in. */
  use(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  begin(first: Index, previousTerm: Term): void {
    this.#end = HEADER_SIZE;
    this.#count = 0;
    this.#first = first;
    this.#term = previousTerm;
    this.#runs = [];
  }

  metadata(metadata: Uint8Array): void {
    assert(this.#end === HEADER_SIZE, "metadata comes first");
    this.#view.setUint32(this.#end, metadata.length, true);
    this.#bytes.set(metadata, this.#end + 4);
    this.#end += 4 + metadata.length;
  }

  /** Invariant: indexes are contiguous from `first`. */
  append(entries: readonly Entry[]): void {
    const bytes = this.#bytes;
    const view = this.#view;
    let at = this.#end;
    for (const { term, index, kind, data } of entries) {
      assert(index === this.#first + this.#count, "the entries of a batch are contiguous");
      if (term === this.#term) {
        bytes[at] = kind;
        at += 1;
      } else {
        assert(term > this.#term, "terms never fall along the log");
        bytes[at] = kind | TERM_FOLLOWS;
        putU64(view, at + 1, term);
        at += 9;
        this.#term = term;
        this.#runs.push({ first: index, term });
      }
      view.setUint32(at, data.length, true);
      bytes.set(data, at + 4);
      at += 4 + data.length;
      this.#count += 1;
    }
    this.#end = at;
  }

  /** Header, checksum and padding. The bytes are a view of the borrowed buffer, whole blocks long. */
  finish(head: BatchHead, offset: number): EncodedBatch {
    const view = this.#view;
    const size = toBlocks(this.#end);
    assert(size <= this.#bytes.length, "a batch fits the buffer it is built in");
    assert((head.flags & FLAG_OPENS) === 0 || offset === 0, "a segment is opened at its start");
    view.setUint32(4, MAGIC, true);
    view.setUint16(8, VERSION, true);
    view.setUint16(10, head.flags, true);
    view.setUint32(12, this.#end - HEADER_SIZE, true);
    putU64(view, 16, head.salt);
    view.setUint32(24, head.generation, true);
    view.setUint32(28, offset / BLOCK, true);
    putU64(view, 32, head.sequence);
    view.setUint32(40, head.previousCrc, true);
    view.setUint32(44, this.#count, true);
    putU64(view, 48, head.first);
    putU64(view, 56, head.previousTerm);
    putU64(view, 64, head.hardState.term);
    view.setBigUint64(72, head.hardState.vote, true);
    putU64(view, 80, head.hardState.commit);
    const crc = crc32(this.#bytes.subarray(4, this.#end));
    view.setUint32(0, crc, true);
    this.#bytes.fill(0, this.#end, size);
    return {
      bytes: this.#bytes.subarray(0, size),
      crc,
      first: head.first,
      previousTerm: head.previousTerm,
      count: this.#count,
      runs: this.#runs,
      reset: (head.flags & FLAG_RESET) !== 0,
    };
  }
}

export interface EncodedBatch extends BatchFacts {
  readonly bytes: Uint8Array;
  readonly crc: number;
}
