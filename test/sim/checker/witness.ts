/** What a judge may see of a member: facts on its disk and in its machine, nothing of its core. */
import type { Index, MemberId, Membership, Term } from "../../../src/raft/types.ts";
import type { DurableLog } from "../disk.ts";

export interface Witness {
  readonly id: MemberId;
  /** What is on the disk now. */
  readonly durableLog: DurableLog;
  /** Up to where its durable state machine is applied. */
  durableApplied(): Index;
  /** Who takes part, as far as this member applied. */
  readonly membership: Membership;
  /** It applied its own removal; until it ends it may still stand for election, by the votes of those who stay. */
  readonly removed: boolean;
  /** The newest term that its core reported. */
  readonly term: Term;
}
