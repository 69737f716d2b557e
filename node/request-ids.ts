/**
 * Request ids: 16 bits of member, 40 bits of milliseconds at the start, 8 bits of counter that carry into the
 * milliseconds. Never reused after a restart, as long as a member makes fewer than 256 requests a millisecond over its
 * life and its wall clock is not set back by more than it was up.
 *
 * Kept as two numbers: a bigint costs four times as much as a Map key.
 */
import type { MemberId } from "../src/raft/types.ts";

const COUNTER_BITS = 256;
const MILLISECONDS = 2 ** 40;

export class RequestIds {
  /** Upper 16 bits of every id of this member. */
  readonly prefix: number;
  #next: number;

  constructor(member: MemberId, startedAtMs: number) {
    this.prefix = Number(BigInt.asUintN(16, member));
    this.#next = (Math.floor(startedAtMs) % MILLISECONDS) * COUNTER_BITS + 1;
  }

  /** Lower 48 bits of a fresh id. */
  next(): number {
    return this.#next++;
  }

  /** A fresh positive 63-bit lease id, from the same sequence. */
  nextLease(): bigint {
    const id = BigInt.asUintN(63, (BigInt(this.prefix) << 48n) | BigInt(this.next()));
    return id === 0n ? this.nextLease() : id;
  }
}
