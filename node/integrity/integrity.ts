/** Everything that looks for damage while a member runs, and what follows from what it finds. */
import {
  AlarmAction,
  AlarmType,
  alarmRequest,
  encodeAlarmRequest,
} from "../../src/api/gen/maintenance.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { handOver } from "../handover.ts";
import type { MemberLog } from "../log.ts";
import { proposeOwn } from "../rpc/answer.ts";
import type { Host } from "../rpc/host.ts";
import { canRebuild, restartToRebuild } from "./damage.ts";
import { type Difference, HashCheck } from "./hash-check.ts";
import { Scrub, type ScrubHost } from "./scrub.ts";

export interface IntegrityHost extends Host, ScrubHost {
  readonly logger: MemberLog;
}

/** A member that differs again after so many repairs gets the alarm: its peers cannot help it. */
const REPAIRS_MAX = 3;
/** The answer to who condemned this member leaves before the process starts anew. */
const FAREWELL_MS = 100;

export class Integrity {
  readonly #host: IntegrityHost;
  readonly #onFatal: (error: unknown) => void;
  readonly scrub: Scrub;
  readonly checks: HashCheck;
  readonly #timers: NodeJS.Timeout[] = [];
  /** How often this member, leading, had another one rebuilt. */
  readonly #repairs = new Map<MemberId, number>();
  #checking = false;
  /** Comparisons in which members differed, since the start. */
  differences = 0;
  /** This process began by rebuilding the member. */
  readonly rebuilt: boolean;

  /** `onFatal`: the own data are damaged; the process must end or start anew. */
  constructor(host: IntegrityHost, rebuilt: boolean, onFatal: (error: unknown) => void) {
    this.#host = host;
    this.rebuilt = rebuilt;
    this.#onFatal = onFatal;
    this.scrub = new Scrub(host, host.config.integrity.scrubMs, onFatal);
    this.checks = new HashCheck(host);
  }

  /** Before this member serves: rejects with "corruption" where it must not. */
  async checkAtStart(): Promise<void> {
    const { config, logger, identity } = this.#host;
    if (!config.integrity.initialCheck) return;
    const difference = await this.checks.atStart();
    if (difference === null) {
      logger.info({}, "compared with the other members: nothing differs");
      return;
    }
    const { verdict, reason } = difference;
    const isOwn = verdict.kind === "split" || verdict.condemned.includes(identity.memberId);
    logger.error({ reason, verdict: verdict.kind }, "the members' histories differ");
    if (!isOwn) return;
    if (verdict.kind === "minority") this.#rebuildSelf(difference);
    throw new QuorateError("corruption", `${reason}: found data inconsistency with peers`);
  }

  start(): void {
    const { checkMs, compactHashCheckMs } = this.#host.config.integrity;
    this.scrub.start(Math.random());
    this.#every(checkMs, () => this.checks.newest());
    this.#every(compactHashCheckMs, () => this.checks.compactions());
  }

  stop(): void {
    this.scrub.stop();
    for (const timer of this.#timers) clearInterval(timer);
  }

  /**
   * Another member found this one to differ from most. Whether it will be rebuilt: then it stops serving within a moment.
   */
  condemned(reason: string, condemned: readonly MemberId[]): boolean {
    const host = this.#host;
    host.logger.error({ reason }, "this member's history differs from that of most");
    if (!canRebuild(host.config)) return false;
    const verdict = { kind: "minority", condemned } as const;
    void handOver(host).then(() => {
      setTimeout(() => this.#rebuildSelf({ verdict, reason }), FAREWELL_MS);
    }, this.#onFatal);
    return true;
  }

  #every(milliseconds: number, check: () => Promise<Difference | null>): void {
    if (milliseconds === 0) return;
    const timer = setInterval(() => void this.#check(check), milliseconds);
    timer.unref();
    this.#timers.push(timer);
  }

  /** The leader asks for all: followers do nothing. */
  async #check(check: () => Promise<Difference | null>): Promise<void> {
    if (this.#checking || !this.#host.isLeader()) return;
    this.#checking = true;
    try {
      const difference = await check();
      if (difference !== null) await this.#act(difference);
    } catch (error) {
      const reason = QuorateError.from(error).message;
      this.#host.logger.warn({ reason }, "the members could not be compared");
    } finally {
      this.#checking = false;
    }
  }

  async #act(difference: Difference): Promise<void> {
    const { logger, identity } = this.#host;
    const { verdict, reason } = difference;
    this.differences++;
    logger.error({ reason, verdict: verdict.kind }, "the members' histories differ");
    if (verdict.kind === "split") {
      // Nobody knows who is wrong: as in etcd, the alarm names member 0, which is all of them.
      await this.#alarm(0n as MemberId);
      return;
    }
    for (const id of verdict.condemned) {
      if (id === identity.memberId) continue;
      if (!(await this.#condemn(id, difference))) await this.#alarm(id);
    }
    if (!verdict.condemned.includes(identity.memberId)) return;
    if (canRebuild(this.#host.config)) {
      await handOver(this.#host);
      this.#rebuildSelf(difference);
    }
    await this.#alarm(identity.memberId);
  }

  /** Tells a member; whether it comes back with the state of another. */
  async #condemn(id: MemberId, { verdict, reason }: Difference): Promise<boolean> {
    const { peers, identity, logger } = this.#host;
    const times = (this.#repairs.get(id) ?? 0) + 1;
    if (verdict.kind !== "minority" || times > REPAIRS_MAX) return false;
    try {
      const rebuilds = await peers.condemn(identity, id, reason, verdict.condemned);
      if (!rebuilds) return false;
      this.#repairs.set(id, times);
      logger.warn({ peer: id }, "a member that differs is rebuilt from the others");
      return true;
    } catch (error) {
      logger.warn({ peer: id, reason: QuorateError.from(error).message }, "a member was not told");
      return false;
    }
  }

  #rebuildSelf({ verdict, reason }: Difference): void {
    const { config, logger } = this.#host;
    const avoid = verdict.kind === "minority" ? verdict.condemned : [];
    restartToRebuild(config, logger, { reason, log: false, avoid });
  }

  /** Through the log, so that all refuse writes from the same entry on. */
  async #alarm(memberId: MemberId): Promise<void> {
    const { machine } = this.#host;
    const raised = machine.alarms.list(AlarmType.corrupt);
    if (raised.some((alarm) => alarm.memberId === memberId)) return;
    const request = alarmRequest({
      action: AlarmAction.activate,
      memberId,
      alarm: AlarmType.corrupt,
    });
    await proposeOwn(this.#host, CommandField.alarm, Buffer.from(encodeAlarmRequest(request)));
  }
}
