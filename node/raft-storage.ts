/** What Raft reads: the log's half from the log, membership and states from the machine. */
import type { RaftStorage } from "../src/raft/storage.ts";
import type { Entry, HardState, Index, Membership, SnapshotMark, Term } from "../src/raft/types.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { Wal } from "../src/wal/wal.ts";

export class MemberRaftStorage implements RaftStorage {
  readonly #wal: Wal;
  readonly #machine: () => Machine;
  readonly #hardState: HardState;
  /** Index of the entry that last changed who takes part. */
  membershipIndex = 0;

  constructor(wal: Wal, machine: () => Machine, hardState: HardState) {
    this.#wal = wal;
    this.#machine = machine;
    this.#hardState = hardState;
  }

  initial(): { readonly hardState: HardState; readonly membership: Membership } {
    return { hardState: this.#hardState, membership: this.#machine().membership() as Membership };
  }

  firstIndex(): Index {
    return this.#wal.firstIndex();
  }

  lastIndex(): Index {
    return this.#wal.lastIndex();
  }

  term(index: Index): Term | null {
    return this.#wal.term(index);
  }

  entries(from: Index, end: Index, bytesMax: number): readonly Entry[] | null {
    return this.#wal.entries(from, end, bytesMax);
  }

  /** The state as the store has it: null while a change of membership is on its way there. */
  snapshot(): SnapshotMark | null {
    const machine = this.#machine();
    const index = machine.buffer.committedIndex as Index;
    if (index < this.membershipIndex) return null;
    const term = this.#wal.term(index);
    if (term === null) return null;
    return { index, term, membership: machine.membership() as Membership };
  }
}

/** How much of the log is on its way to one follower: bytes of a message, messages and bytes not yet acknowledged. */
export const REPLICATION_LIMITS: Readonly<
  Record<"appendBytesMax" | "inflightMessagesMax" | "inflightBytesMax", number>
> = {
  appendBytesMax: 1024 * 1024,
  inflightMessagesMax: 512,
  inflightBytesMax: 16 * 1024 * 1024,
};
