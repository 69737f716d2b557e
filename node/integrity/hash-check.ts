/**
 * Compares the histories of all members, as etcd does: each member before it serves, the leader from time to time, and the
 * leader after compactions, whose hashes every member takes at the same revision.
 */
import type { HashKVResponse } from "../../src/api/gen/maintenance.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { HistoryHash } from "../../src/mvcc/hash.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { linearize } from "../rpc/answer.ts";
import type { Host } from "../rpc/host.ts";
import { judge, type MemberHash, type Verdict } from "./verdict.ts";

/** Hashing a whole store takes its time, in slices. */
const HASH_MS_MAX = 600_000;
/** A start does not wait longer for a peer. */
const START_MS_MAX = 10_000;

/** A comparison that found something, in words for the log. */
export interface Difference {
  readonly verdict: Exclude<Verdict, { kind: "equal" }>;
  readonly reason: string;
}

interface Answer {
  readonly id: MemberId;
  readonly response: HashKVResponse;
}

export class HashCheck {
  readonly #host: Host;
  /** Revision of the newest compaction that all members were found equal at. */
  #checkedRevision = -1;
  /** Comparisons that came to an end, since the start. */
  completed = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** This member against whoever answers, at its newest revision. Null where nothing differs. */
  async atStart(): Promise<Difference | null> {
    const own = await this.#ownHash();
    return this.#compare(own, await this.#ask(own.revision, START_MS_MAX));
  }

  /** The newest state of all members. */
  async newest(): Promise<Difference | null> {
    const host = this.#host;
    const own = await this.#ownHash();
    const answers = await this.#ask(own.revision, HASH_MS_MAX);
    await linearize(host);
    // What a member had applied when it answered was committed, so that this one has applied it by now.
    const { revision, compactRevision } = host.machine.store;
    const ahead = answers.filter(({ response }) => {
      const theirs = response.header?.revision ?? 0;
      return theirs > revision || response.compactRevision > compactRevision;
    });
    if (ahead.length > 0) {
      const condemned = ahead.map(({ id }) => id);
      const reason = `members ${namesOf(condemned)} are ahead of revision ${revision}, which all have`;
      return { verdict: { kind: "minority", condemned }, reason };
    }
    return this.#compare(own, answers);
  }

  /** The hashes that compactions took, newest first, until one was found equal on all members. */
  async compactions(): Promise<Difference | null> {
    const { store } = this.#host.machine;
    for (const own of store.compactHashes.toReversed()) {
      if (own.revision <= this.#checkedRevision) return null;
      const answers = await this.#ask(own.revision, HASH_MS_MAX);
      const difference = this.#compare(own, answers);
      if (difference !== null) return difference;
      if (this.#comparable(own, answers).length < this.#host.machine.members.list().length)
        continue;
      this.#checkedRevision = own.revision;
      return null;
    }
    return null;
  }

  async #ownHash(): Promise<HistoryHash> {
    const outcome = await this.#host.machine.store.hash(0, AbortSignal.timeout(HASH_MS_MAX));
    if (outcome.kind !== "hash") throw new QuorateError("internal", "the newest revision is gone");
    return outcome.hash;
  }

  /** Who does not answer, or is not that far, is left out: another time. */
  async #ask(revision: number, deadlineMs: number): Promise<readonly Answer[]> {
    const { identity, machine, peers, logger } = this.#host;
    const others = machine.members.list().filter(({ id }) => id !== identity.memberId);
    const answers = await Promise.all(
      others.map(async (member): Promise<Answer | null> => {
        const id = member.id as MemberId;
        try {
          return { id, response: await peers.hashKv(id, revision, deadlineMs) };
        } catch (error) {
          const reason = QuorateError.from(error).message;
          logger.debug({ peer: id, revision, reason }, "a member was left out of a comparison");
          return null;
        }
      }),
    );
    return answers.filter((answer) => answer !== null);
  }

  #comparable(own: HistoryHash, answers: readonly Answer[]): readonly MemberHash[] {
    const equal = answers.filter(
      ({ response }) =>
        response.compactRevision === own.compactRevision && response.hashRevision === own.revision,
    );
    const theirs = equal.map(({ id, response }) => ({ id, hash: response.hash }));
    return [{ id: this.#host.identity.memberId, hash: own.hash }, ...theirs];
  }

  #compare(own: HistoryHash, answers: readonly Answer[]): Difference | null {
    const hashes = this.#comparable(own, answers);
    const verdict = judge(hashes, this.#host.machine.members.list().length);
    this.completed++;
    if (verdict.kind === "equal") return null;
    const each = hashes.map(({ id, hash }) => `${id.toString(16)}: ${hash.toString(16)}`);
    const at = `revision ${own.revision}, compact revision ${own.compactRevision}`;
    return { verdict, reason: `the members differ at ${at} (${each.join(", ")})` };
  }
}

function namesOf(ids: readonly MemberId[]): string {
  return ids.map((id) => id.toString(16)).join(", ");
}
