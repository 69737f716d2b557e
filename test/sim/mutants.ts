/**
 * Deliberate bugs, one at a time, in what carries out the core's orders. Each breaks a promise that a judge watches; a judge
 * that lets one pass is no judge. Within `maxSeeds` seeds, from 1 on, the judge of `claim` must object.
 */
import type { Message } from "../../src/raft/message.ts";
import { NO_INDEX, NO_MEMBER } from "../../src/raft/types.ts";
import type { ModelLog } from "./disk.ts";
import type { ModelMachine } from "./machine.ts";

export const MUTANTS = {
  /** Votes and acknowledgements leave before the disk has what they promise. */
  sendBeforeSync: { maxSeeds: 40, claim: "a vote is durable before it counts" },
  /** The vote is gone after a restart. */
  forgetVote: { maxSeeds: 200, claim: "a member votes once in a term" },
  /** The end of the durable log is gone after a restart. */
  forgetTail: { maxSeeds: 40, claim: "a leader holds what was committed before it" },
  /** A write is reported durable when it is begun. */
  reportBeforeSync: { maxSeeds: 20, claim: "committed entries are durable here" },
  /** Entries are applied when they are appended. */
  applyUncommitted: { maxSeeds: 40, claim: "what is applied is durable on a quorum" },
  /** A leader confirms reads without asking anybody. */
  confirmAlone: { maxSeeds: 40, claim: "a read sees every write acknowledged before it" },
  /** A refused vote is granted on the way out. */
  grantEverybody: { maxSeeds: 20, claim: "a vote is durable before it counts" },
  /** A refused append is acknowledged on the way out. */
  acknowledgeAnything: { maxSeeds: 40, claim: "entries are durable before they are acknowledged" },
  /** The log is compacted although the store is not durable that far. */
  compactUnflushed: { maxSeeds: 40, claim: "the log reaches back to the durable store" },
  /** A snapshot is adopted, and the log goes on as it was. */
  keepLogOnAdopt: { maxSeeds: 40, claim: "a log has no gap" },
  /** After a restart everything since the durable state counts as applied. */
  skipReplay: { maxSeeds: 40, claim: "every member has the same past at an index" },
  /** Removing a member removes the next one too. */
  removeTwo: { maxSeeds: 40, claim: "the voters change by one at a time" },
} as const;

export type Mutant = keyof typeof MUTANTS;

/** Deliberate bugs of a restart; `life` counts the starts of this member. */
export function breakOnStart(
  mutant: Mutant | null,
  life: number,
  member: { readonly log: ModelLog; readonly machine: ModelMachine },
): void {
  const { durable } = member.log;
  switch (mutant) {
    case "forgetVote":
      durable.hardState = { ...durable.hardState, vote: NO_MEMBER };
      break;
    case "forgetTail":
      if (life === 1) return;
      durable.forgetTail(2);
      durable.hardState = { ...durable.hardState, commit: NO_INDEX };
      break;
    case "skipReplay":
      if (life > 1) member.machine.skipTo(durable.lastIndex());
      break;
    default:
      return;
  }
  member.log.reload();
}

/** Deliberate bugs in what leaves a member. */
export function breakMessage(mutant: Mutant | null, message: Message): Message {
  switch (mutant) {
    case "grantEverybody":
      return message.kind === "voteReply" ? { ...message, rejected: false } : message;
    case "acknowledgeAnything":
      return message.kind === "appendReply" ? { ...message, rejected: false } : message;
    default:
      return message;
  }
}
