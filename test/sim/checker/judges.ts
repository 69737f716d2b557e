/** The judges of one run together: they stand outside, see what leaves a member, and end the run at the first broken promise. */
import type { Message } from "../../../src/raft/message.ts";
import type { Entry, MemberId } from "../../../src/raft/types.ts";
import type { MachineImage } from "../machine.ts";
import { CommitJudge } from "./commit.ts";
import { ElectionJudge } from "./election.ts";
import { LogJudge } from "./log.ts";
import { ReadJudge } from "./reads.ts";
import type { Witness } from "./witness.ts";

export class Judges {
  readonly log: LogJudge = new LogJudge();
  readonly reads: ReadJudge = new ReadJudge();
  readonly commit: CommitJudge;
  readonly election: ElectionJudge;

  /** `atMostOnce`: no message is ever doubled, so no write may be. */
  constructor(witnesses: ReadonlyMap<MemberId, Witness>, atMostOnce: boolean) {
    this.commit = new CommitJudge(witnesses, atMostOnce);
    this.election = new ElectionJudge(this.commit, this.log);
  }

  appended(witness: Witness, entries: readonly Entry[]): void {
    this.log.appended(witness.id, entries);
  }

  sent(witness: Witness, message: Message): void {
    this.election.sent(witness, message);
  }

  adopted(witness: Witness, image: MachineImage): void {
    this.commit.adopted(witness, image.mark, image.digest);
    this.log.adopted(witness.id, image.mark.index, (index) => this.commit.termAt(index));
  }

  restarted(witness: Witness): void {
    this.log.restarted(witness.id, witness.durableLog);
  }
}
