/**
 * One leader a term (election safety), elected by durable votes of a quorum of its own membership, and
 * holding everything that was committed before its term (leader completeness).
 * One vote a member and term, through every restart; one campaign too.
 */
import type { Message } from "../../../src/raft/message.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { quorum, type CommitJudge } from "./commit.ts";
import type { LogJudge } from "./log.ts";
import { demand } from "./violation.ts";
import type { Witness } from "./witness.ts";

/** Member ids stay below this in any run. */
const IDS = 64;

export class ElectionJudge {
  readonly #commit: CommitJudge;
  readonly #log: LogJudge;
  readonly #leaders = new Map<number, MemberId>();
  /** By term * IDS + voter. */
  readonly #votes = new Map<number, MemberId>();
  /** By term * IDS + candidate: the end of the log that it asked for votes with. */
  readonly #campaigns = new Map<number, string>();

  constructor(commit: CommitJudge, log: LogJudge) {
    this.#commit = commit;
    this.#log = log;
  }

  get leaders(): number {
    return this.#leaders.size;
  }

  /** A message leaves a member. */
  sent(witness: Witness, message: Message): void {
    switch (message.kind) {
      case "vote":
      case "preVote":
        this.#campaigned(witness, message);
        return;
      case "voteReply":
        if (!message.rejected) this.#voted(witness, message.term, message.to);
        return;
      case "appendReply":
        if (!message.rejected) acknowledged(witness, message.index, message.term);
        return;
      default:
        return;
    }
  }

  /** The core of a member says that it leads. */
  elected(witness: Witness, term: number): void {
    const { id, membership } = witness;
    const other = this.#leaders.get(term);
    demand(other === undefined || other === id, "a term has one leader", () => {
      return `${id} leads term ${term}, and so does ${other}`;
    });
    this.#leaders.set(term, id);
    demand(membership.voters.includes(id) || witness.removed, "only a voter leads", () => {
      return `${id} in ${term}`;
    });
    if (membership.voters.length === 1 && !witness.removed) {
      // Who votes alone leads before its vote is durable. It must keep quiet until then: if it does not, a crash lets it lead the
      // term a second time with other entries, which the judge of logs sees.
      this.#votes.set(term * IDS + Number(id), id);
    } else {
      demand(other === undefined, "a leader is elected once in a term", () => `${id} in ${term}`);
      this.#voted(witness, term, id);
    }
    const votes = membership.voters.filter(
      (voter) => this.#votes.get(term * IDS + Number(voter)) === id,
    );
    demand(votes.length >= quorum(membership), "a leader has the votes of a quorum", () => {
      return `${id} leads term ${term} with ${votes.join(" ")} of ${membership.voters.join(" ")}`;
    });
    const last = this.#commit.lastBefore(term);
    demand(
      this.#log.termAt(id, last) === this.#commit.termAt(last),
      "a leader holds what was committed before it",
      () => {
        return `${id} leads term ${term} with a log that ends at ${this.#log.lastIndex(id)}; ${last} was committed`;
      },
    );
  }

  #campaigned(witness: Witness, message: Extract<Message, { lastIndex: unknown }>): void {
    const { id, membership } = witness;
    demand(membership.voters.includes(id) || witness.removed, "only a voter campaigns", () => {
      return `${id} sends ${message.kind} for term ${message.term}`;
    });
    if (message.kind === "preVote") return;
    const place = message.term * IDS + Number(id);
    const end = `${message.lastIndex} of term ${message.lastTerm}`;
    const before = this.#campaigns.get(place) ?? end;
    demand(before === end, "a member campaigns once in a term", () => {
      return `${id} in ${message.term} with ${end}, earlier with ${before}`;
    });
    this.#campaigns.set(place, end);
  }

  #voted(witness: Witness, term: number, candidate: MemberId): void {
    const place = term * IDS + Number(witness.id);
    const before = this.#votes.get(place) ?? candidate;
    demand(before === candidate, "a member votes once in a term", () => {
      return `${witness.id} in ${term} for ${before} and for ${candidate}`;
    });
    this.#votes.set(place, candidate);
    const { hardState } = witness.durableLog;
    const durable =
      hardState.term > term || (hardState.term === term && hardState.vote === candidate);
    demand(durable, "a vote is durable before it counts", () => {
      return `${witness.id} for ${candidate} in ${term}; on disk: ${hardState.vote} in ${hardState.term}`;
    });
  }
}

/** An acknowledgement leaves: the entries and the term in which they were taken must be on disk. */
function acknowledged(witness: Witness, index: number, term: number): void {
  const { id, durableLog } = witness;
  const last = Math.max(durableLog.lastIndex(), witness.durableApplied());
  // In a later term the entries may have been replaced before they were written: as if they had been written in between.
  const moved = durableLog.hardState.term > term;
  demand(last >= index || moved, "entries are durable before they are acknowledged", () => {
    return `${id} acknowledges ${index} in ${term}, its disk ends at ${last}`;
  });
  demand(durableLog.hardState.term >= term, "a term is durable before it acknowledges", () => {
    return `${id} acknowledges ${index} in ${term}, its disk knows ${durableLog.hardState.term}`;
  });
}
