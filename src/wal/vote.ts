/** Term and vote, kept a second time beside the log, in two slots that take turns. The drawing is in format.ts. */
import { crc32 } from "node:zlib";
import type { MemberId, Term } from "../raft/types.ts";
import { BLOCK, getU64, putU64, VERSION, VOTE_MAGIC, VOTE_SIZE } from "./format.ts";

export interface VoteRecord {
  readonly salt: number;
  /** Counts the writes; the slot is its lowest bit. */
  readonly counter: number;
  /** Every batch with a lower sequence was durable when this was written. */
  readonly sequence: number;
  readonly term: Term;
  readonly vote: MemberId;
}

export function voteOffset(counter: number): number {
  return (counter % 2) * BLOCK;
}

/** One block: the record, then zeros. */
export function encodeVote(record: VoteRecord): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, VOTE_MAGIC, true);
  view.setUint16(8, VERSION, true);
  view.setUint32(12, record.counter % 2, true);
  putU64(view, 16, record.salt);
  putU64(view, 24, record.counter);
  putU64(view, 32, record.sequence);
  putU64(view, 40, record.term);
  view.setBigUint64(48, record.vote, true);
  view.setUint32(0, crc32(bytes.subarray(4, VOTE_SIZE)), true);
  return bytes;
}

/** The record in this slot; null if it is not whole. */
export function decodeVote(bytes: Uint8Array, slot: number): VoteRecord | null {
  if (bytes.length < VOTE_SIZE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(4, true) !== VOTE_MAGIC) return null;
  if (view.getUint32(12, true) !== slot) return null;
  if (crc32(bytes.subarray(4, VOTE_SIZE)) !== view.getUint32(0, true)) return null;
  return {
    salt: getU64(view, 16),
    counter: getU64(view, 24),
    sequence: getU64(view, 32),
    term: getU64(view, 40) as Term,
    vote: view.getBigUint64(48, true) as MemberId,
  };
}

/** Whether each slot of the file holds a record, or was never written. `file` holds the whole file. */
export function areVotesWhole(file: Uint8Array): boolean {
  return [0, 1].every((slot) => {
    const bytes = slotOf(file, slot);
    if (decodeVote(bytes, slot) !== null) return true;
    return bytes.length === VOTE_SIZE && bytes.every((byte) => byte === 0);
  });
}

/** The newest of both slots, if it is certain that it is. Null otherwise: a damaged slot may have been the newer one. */
export function certainVote(file: Uint8Array): VoteRecord | null {
  if (!areVotesWhole(file)) return null;
  const [even, odd] = [0, 1].map((slot) => decodeVote(slotOf(file, slot), slot));
  if (even === null || even === undefined) return odd ?? null;
  return odd === null || odd === undefined || even.counter > odd.counter ? even : odd;
}

function slotOf(file: Uint8Array, slot: number): Uint8Array {
  return file.subarray(voteOffset(slot), voteOffset(slot) + VOTE_SIZE);
}
