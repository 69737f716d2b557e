/** The reads that clients of one member wait for. */
import type { Index } from "../../src/raft/types.ts";
import type { Surroundings } from "./surroundings.ts";

export class OpenReads {
  readonly #id: number;
  readonly #around: Surroundings;
  readonly #open = new Set<number>();

  constructor(id: number, around: Surroundings) {
    this.#id = id;
    this.#around = around;
  }

  issue(request: number): void {
    const { reads, commit } = this.#around.judges;
    reads.issued(request, commit.last);
    this.#open.add(request);
  }

  answer(request: number, index: Index, role: string): void {
    const { judges, trace } = this.#around;
    trace.record("confirm", this.#id, request, index);
    trace.reached(role === "leader" ? "read confirmed at leader" : "read confirmed at follower");
    this.#open.delete(request);
    judges.reads.confirmedAt(request, index);
  }

  giveUp(request: number): void {
    this.#around.trace.reached("read lost");
    this.#open.delete(request);
    this.#around.judges.reads.gaveUp(request);
  }

  /** The member died. */
  forget(): void {
    this.#around.judges.reads.forget(this.#open);
    this.#open.clear();
  }
}
