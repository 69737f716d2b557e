/**
 * How a removed member ends: not when it hears of its removal, but once a quorum of those who stay has applied it. Of voters 1
 * and 2, (1) leader 1 commits its own removal; (2) it ends; (3) 2 holds the entry without the news of its commit, still counts
 * 1 as a voter and can never be elected. Whoever has applied the removal refuses this member's handshake, and that is counted.
 */
import type { Logger } from "../src/base/ports.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { MemberId } from "../src/raft/types.ts";
import type { Identity } from "./data-dir.ts";
import { REMOVED_REFUSAL } from "./peer/handshake.ts";

export interface DepartureHost {
  readonly identity: Identity;
  readonly machine: Pick<Machine, "members" | "membership">;
  readonly logger: Logger;
}

export class Departure {
  readonly #host: DepartureHost;
  readonly #end: (reason: string) => void;
  readonly #refusedBy = new Set<bigint>();
  #announced = false;
  #ended = false;

  constructor(host: DepartureHost, end: (reason: string) => void) {
    this.#host = host;
    this.#end = end;
  }

  /** This member has applied its own removal. */
  get isRemoved(): boolean {
    return this.#host.machine.members.isRemoved(this.#host.identity.memberId);
  }

  /** The members changed. */
  onMembers(): void {
    if (this.isRemoved) this.#announce();
    this.#endIfKnown();
  }

  /** `peer` has applied the removal of this member. */
  onRefused(peer: MemberId): void {
    this.#announce();
    this.#refusedBy.add(peer);
    this.#endIfKnown();
  }

  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#host.logger.warn(
      {},
      "this member was removed: it takes part until most of those who stay know",
    );
  }

  #endIfKnown(): void {
    if (this.#ended) return;
    const { identity, machine } = this.#host;
    const staying = machine.membership().voters.filter((id) => id !== identity.memberId);
    const knowing = staying.filter((id) => this.#refusedBy.has(id));
    if (knowing.length < Math.floor(staying.length / 2) + 1) return;
    this.#ended = true;
    this.#end(REMOVED_REFUSAL);
  }
}
