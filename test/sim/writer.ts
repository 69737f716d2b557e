/**
 * The one write in flight of a member, and what is gathered for the next: several Readys become one batch. Messages that wait for
 * the disk leave when everything handed out before them is durable.
 */
import { assert } from "../../src/base/assert.ts";
import type { Message } from "../../src/raft/message.ts";
import type { Persisted, Ready } from "../../src/raft/ready.ts";
import type { Entry, HardState, MemberId, SnapshotMark } from "../../src/raft/types.ts";
import type { MemberLog } from "./disk.ts";
import type { Mutant } from "./mutants.ts";
import type { Trace } from "./trace.ts";

/** Whom a writer serves. */
export interface Writing {
  readonly id: MemberId;
  leave(message: Message): void;
  report(last: Persisted): void;
  wake(): void;
}

class Gathering {
  reset: SnapshotMark | null = null;
  readonly append: Entry[] = [];
  hardState: HardState | null = null;
  /** Something must be durable soon; a commit alone waits for company. */
  dirty = false;
  readonly messages: Message[] = [];
}

export class Writer {
  readonly #log: MemberLog;
  readonly #around: { readonly trace: Trace; readonly mutant: Mutant | null };
  readonly #owner: Writing;
  #gathering = new Gathering();
  #inFlight: Gathering | null = null;
  /** Durable, and the member was not told yet. */
  #finished = false;

  constructor(
    log: MemberLog,
    around: { readonly trace: Trace; readonly mutant: Mutant | null },
    owner: Writing,
  ) {
    this.#log = log;
    this.#around = around;
    this.#owner = owner;
  }

  /** Takes what must be durable, and what waits for it. */
  gather(ready: Ready): void {
    const gathering = this.#gathering;
    const { trace, mutant } = this.#around;
    const first = ready.append[0];
    if (first !== undefined) {
      const { append } = gathering;
      const start = append[0]?.index ?? first.index;
      if (first.index < start + append.length) trace.reached("entries replaced unwritten");
      append.length = Math.max(0, Math.min(append.length, first.index - start));
      for (const entry of ready.append) append.push(entry);
      gathering.dirty = true;
      if (first.index <= this.#log.lastIndex()) trace.reached("log truncated");
    }
    if (ready.hardState !== null) gathering.hardState = ready.hardState;
    if (ready.mustSync) gathering.dirty = true;
    if (mutant === "sendBeforeSync") {
      for (const message of ready.sendAfterSync) this.#owner.leave(message);
      return;
    }
    for (const message of ready.sendAfterSync) gathering.messages.push(message);
  }

  /** The log begins anew after `mark`, with the next batch; what was gathered for the old one is void. */
  reset(mark: SnapshotMark): void {
    const entriesInFlight = this.#inFlight?.append.length ?? 0;
    assert(entriesInFlight === 0, "the core waits for entries in flight before it resets the log");
    this.#log.reset(mark);
    const gathering = this.#gathering;
    gathering.reset = mark;
    gathering.append.length = 0;
    gathering.dirty = true;
  }

  /** Begins the next write if the disk is idle; with nothing to write, what waited for the last one leaves. */
  writeNext(): void {
    if (this.#inFlight !== null) return;
    const gathering = this.#gathering;
    if (!gathering.dirty) {
      this.#release(gathering.messages);
      return;
    }
    this.#gathering = new Gathering();
    this.#inFlight = gathering;
    const { append } = gathering;
    this.#around.trace.record(
      "write",
      Number(this.#owner.id),
      append.length,
      append[0]?.index ?? 0,
    );
    this.#log.write(gathering, () => {
      this.#finished = true;
      this.#owner.wake();
    });
    if (this.#around.mutant === "reportBeforeSync") this.#report(gathering);
  }

  /** If the write in flight is durable, tells the core and lets go what waited for it. */
  settle(): void {
    const written = this.#inFlight;
    if (written === null || !this.#finished) return;
    this.#finished = false;
    this.#inFlight = null;
    const { append } = written;
    this.#around.trace.record(
      "written",
      Number(this.#owner.id),
      append.length,
      append[0]?.index ?? 0,
    );
    this.#log.settle(written);
    if (this.#around.mutant !== "reportBeforeSync") this.#report(written);
    this.#release(written.messages);
  }

  crash(): void {
    if (this.#inFlight !== null) this.#around.trace.reached("crash during a write");
    if (this.#gathering.dirty) this.#around.trace.reached("crash with writes not begun");
    this.#gathering = new Gathering();
    this.#inFlight = null;
    this.#finished = false;
  }

  #report(written: Gathering): void {
    const last = written.append.at(-1) ?? written.reset;
    if (last !== null) this.#owner.report({ index: last.index, term: last.term });
  }

  #release(messages: Message[]): void {
    for (const message of messages) this.#owner.leave(message);
    messages.length = 0;
  }
}
