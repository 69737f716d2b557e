/** Handing leadership over (Ongaro's thesis, section 3.10). */
import { present } from "../base/assert.ts";
import type { Core, LeaderRole, StepOutcome } from "./core.ts";
import { isVoter } from "./membership.ts";
import type { Progress } from "./progress.ts";
import { NO_MEMBER } from "./types.ts";
import type { MemberId } from "./types.ts";

/** Leadership is to go to `target`: brings it up to date, then orders it to campaign. Proposals are refused meanwhile. */
export function transfer(core: Core, target: MemberId): StepOutcome {
  const { role } = core;
  if (role.kind === "follower" && role.leader !== NO_MEMBER) {
    const { id: from, term } = core;
    core.send.push({ kind: "transfer", from, to: role.leader, term, target });
    return "done";
  }
  if (role.kind !== "leader") return "noLeader";
  if (!isVoter(core.membership, target)) return "notVoter";
  if (target === core.id || role.transferTarget === target) return "done";
  role.transferTarget = target;
  // One election timeout from now it is over, done or not.
  core.electionElapsed = 0;
  core.config.logger.info({ term: core.term, target: target.toString(16) }, "handing over");
  checkTransfer(core, role);
  const progress = role.progress.get(target);
  if (progress !== undefined) progress.nudge = true;
  core.dirty = true;
  return "done";
}

/** This leader is leaving: to the voter that has most of its log, of those it heard from. */
export function handOver(core: Core, leader: LeaderRole): void {
  if (leader.transferTarget !== NO_MEMBER) return;
  let best: Progress | null = null;
  for (const progress of leader.others) {
    if (!progress.isLearner && (best === null || isBetter(progress, best))) best = progress;
  }
  transfer(core, present(best, "somebody stays").id);
}

function isBetter(one: Progress, other: Progress): boolean {
  if (one.recentlyActive !== other.recentlyActive) return one.recentlyActive;
  return one.match > other.match;
}

/** Whether the target now has the whole log; asked again whenever it acknowledged something. */
export function checkTransfer(core: Core, leader: LeaderRole): void {
  const progress = leader.progress.get(leader.transferTarget);
  if (progress !== undefined && progress.match === core.log.last) leader.transferDue = true;
}

/** Tells the target to campaign, if that is due. */
export function sendTimeoutNow(core: Core, leader: LeaderRole): void {
  if (!leader.transferDue) return;
  leader.transferDue = false;
  const { id: from, term } = core;
  core.send.push({ kind: "timeoutNow", from, to: leader.transferTarget, term });
}

/** The target took too long, or cannot lead any more: lead on. */
export function abortTransfer(core: Core, leader: LeaderRole): void {
  if (leader.transferTarget === NO_MEMBER) return;
  const target = leader.transferTarget.toString(16);
  core.config.logger.warn({ term: core.term, target }, "gave up handing over");
  leader.transferTarget = NO_MEMBER;
  leader.transferDue = false;
}
