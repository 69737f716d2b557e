/** What `Ready` promises to whoever carries it out, checked on every one. */
import type { Message } from "../../../src/raft/message.ts";
import type { Ready } from "../../../src/raft/ready.ts";
import type { Index, MemberId } from "../../../src/raft/types.ts";
import { demand } from "./violation.ts";

/** The last hand-outs of one life of a member. */
export class ContractJudge {
  readonly #id: MemberId;
  #committed: number;
  #term = 0;

  /** `applied` is where this life begins. */
  constructor(id: MemberId, applied: Index) {
    this.#id = id;
    this.#committed = applied;
  }

  /** `durableLast` is the last index that this life was told is durable. */
  took(ready: Ready, durableLast: Index): void {
    const id = this.#id;
    for (const message of ready.send) this.#leavesAtOnce(message);
    if (ready.hardState !== null) {
      const { term } = ready.hardState;
      demand(term >= this.#term, "terms never fall", () => `${id}: ${term} after ${this.#term}`);
      this.#term = term;
    }
    if (ready.append.length > 0) {
      demand(ready.mustSync, "entries are synced", () => `${id} at ${ready.append[0]?.index}`);
      demand(
        (ready.append[0]?.index ?? 0) > this.#committed,
        "a committed entry is never replaced",
        () => {
          return `${id} appends ${ready.append[0]?.index}, handed out up to ${this.#committed}`;
        },
      );
    }
    if (ready.snapshot !== null) {
      demand(ready.snapshot.index > this.#committed, "a snapshot moves a member forward", () => {
        return `${id} from ${this.#committed} to ${ready.snapshot?.index}`;
      });
      this.#committed = ready.snapshot.index;
    }
    for (const entry of ready.committed) {
      demand(
        entry.index === this.#committed + 1,
        "committed entries are handed out in order, once",
        () => {
          return `${id}: ${entry.index} after ${this.#committed}`;
        },
      );
      this.#committed = entry.index;
    }
    const last =
      ready.snapshot === null ? durableLast : Math.max(durableLast, ready.snapshot.index);
    demand(
      ready.committed.length === 0 || this.#committed <= last,
      "committed entries are durable here",
      () => {
        return `${id}: ${this.#committed}, durable up to ${last}`;
      },
    );
  }

  #leavesAtOnce(message: Message): void {
    const waits =
      (message.kind === "voteReply" || message.kind === "appendReply") && !message.rejected;
    demand(!waits, "votes and acknowledgements wait for the disk", () => {
      return `${this.#id} sends ${message.kind} to ${message.to} at once`;
    });
  }
}
