/**
 * How a member that an operator runs gets from its start to Raft, and what ends it: the boot file is read each second, before
 * there is a member and as long as there is one. What it says to whom is in `operator/DESIGN.md`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { QuorateError } from "../../src/base/errors.ts";
import type { BootFile } from "../../src/api/boot.ts";
import type { Birth } from "../bootstrap.ts";
import type { Config } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import type { MemberLog } from "../log.ts";
import type { PeerDialer } from "../peer/dialer.ts";
import { REMOVED_REFUSAL } from "../peer/handshake.ts";
import { restartInPlace } from "../restart.ts";
import { birthOf } from "./birth.ts";
import { readBootDisk, readProgress } from "./boot-disk.ts";
import { bootFilePath, NO_ORDERS, readBootFile } from "./boot-file.ts";
import type { BootStatus, LiveMember } from "./boot-status.ts";
import { type BootDecision, type BootDisk, decideBoot } from "./decide.ts";
import { ForceRefusal, type ForceWish } from "./force-new.ts";
import type { ProbeServer } from "./probe-server.ts";

const POLL_MS = 1_000;
/** What hindered it once hinders it for a while, and each attempt reads all data. */
const FORCE_AGAIN_MS = 15_000;

export interface BootOptions {
  readonly config: Config;
  /** --boot-dir. */
  readonly directory: string;
  readonly logger: MemberLog;
  readonly dial: PeerDialer;
  readonly status: BootStatus;
  readonly probes: ProbeServer;
  /** The process is to end: whoever supervises it starts it anew. */
  readonly onEnd: (reason: string) => void;
}

/** How a member is to be opened; both null: as the one that it is. */
export interface BootStart {
  readonly birth: Birth | null;
  readonly force: ForceWish | null;
}

export class Boot {
  readonly #options: BootOptions;
  readonly #path: string;
  readonly #dataDir: DataDir;
  #timer: NodeJS.Timeout | null = null;
  #polling = false;
  /** Stops the member that runs. */
  #stop: (() => Promise<void>) | null = null;
  /** Of the member that runs, or has run: it is not read each second from a disk that may be slow. */
  #disk: BootDisk | null = null;
  /** Nonce of the ticket by which this process makes its member the only one. */
  #forcing: string | null = null;
  /** What was wrong with the file when it was read last. */
  #fault: string | null = null;

  constructor(options: BootOptions) {
    const { config, directory } = options;
    this.#options = options;
    this.#path = bootFilePath(directory, config.name);
    this.#dataDir = new DataDir(config.dataDir, config.walDir);
  }

  /** Waits, for ever if need be, until this disk may have a member, and opens it. Rejects as `open` does. */
  async open<T>(open: (start: BootStart) => Promise<T>): Promise<T> {
    for (;;) {
      const start = await this.#ask();
      let pauseMs = POLL_MS;
      if (start !== null) {
        this.#identify(false);
        this.#options.status.set("Starting", "opening the log and the store");
        this.#watch();
        try {
          return await open(start);
        } catch (error) {
          this.close();
          this.#onFailure(error);
          if (error instanceof ForceRefusal) pauseMs = FORCE_AGAIN_MS;
        }
      }
      await sleep(pauseMs);
    }
  }

  /** The member takes part. `stop` is called, and waited for, when it must not any more. */
  run(member: LiveMember, stop: () => Promise<void>): void {
    this.#options.status.run(member);
    this.#stop = stop;
    this.#disk = { identity: member.identity, removed: this.#dataDir.isRemoved, foreign: null };
  }

  /** The cluster has removed this member: its disk is of no use any more, whoever starts on it. */
  onRemoved(reason: string): void {
    this.#dataDir.bury(reason);
    if (this.#disk !== null) this.#disk = { ...this.#disk, removed: true };
    void this.#poll();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #watch(): void {
    this.#timer ??= setInterval(() => void this.#poll(), POLL_MS);
  }

  /** One look at file and disk, and what follows from it; null: not yet. */
  async #ask(): Promise<BootStart | null> {
    const { status, logger } = this.#options;
    const decision = await this.#decide();
    switch (decision.kind) {
      case "start":
        return { birth: null, force: null };
      case "await":
        this.#say("AwaitingTicket", decision.reason);
        return null;
      case "fenced":
        if (status.phase !== "Fenced") this.#identify(true);
        this.#say("Fenced", decision.reason);
        return null;
      case "forceNew": {
        const { nonce, incarnation } = decision.ticket;
        logger.warn({ nonce, incarnation }, "the ticket makes this member the only one");
        this.#forcing = nonce;
        return { birth: null, force: { nonce, fenceIncarnation: incarnation } };
      }
      default:
        return await this.#born(decision);
    }
  }

  async #born(
    decision: Extract<BootDecision, { kind: "bootstrap" | "join" }>,
  ): Promise<BootStart | null> {
    const { config, dial, logger } = this.#options;
    const { mode, nonce, incarnation } = decision.ticket;
    const outcome = await birthOf(decision, config, dial);
    if (outcome.kind === "waiting") {
      this.#say(outcome.refused ? "AwaitingTicket" : "Starting", outcome.reason);
      return null;
    }
    logger.info({ mode, nonce, incarnation }, "the ticket lets this member begin");
    return { birth: outcome.birth, force: null };
  }

  /** A file that cannot be read lets nothing begin. */
  async #decide(): Promise<BootDecision> {
    const disk = this.#disk ?? readBootDisk(this.#dataDir);
    let file: BootFile = NO_ORDERS;
    let fault: string | null = null;
    try {
      file = await readBootFile(this.#path);
    } catch (error) {
      fault = QuorateError.from(error).message;
    }
    if (fault !== null && fault !== this.#fault) {
      this.#options.logger.error({ reason: fault }, "the boot file is of no use");
    }
    this.#fault = fault;
    const decision = decideBoot(file, disk);
    if (fault === null || disk.removed) return decision;
    return { kind: disk.identity === null ? "await" : "fenced", reason: fault };
  }

  /** While the member starts, runs, or has been stopped. */
  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      const decision = await this.#decide();
      // What began stays until a file that can be read says otherwise.
      if (this.#fault === null || this.#disk?.removed === true) await this.#obey(decision);
    } catch (error) {
      this.#options.logger.warn(
        { reason: QuorateError.from(error).message },
        "the boot file was not obeyed",
      );
    } finally {
      this.#polling = false;
    }
  }

  async #obey(decision: BootDecision): Promise<void> {
    const { status } = this.#options;
    switch (status.phase) {
      case "Running":
        if (decision.kind === "fenced") await this.#end("Fenced", decision.reason);
        else if (decision.kind === "forceNew") {
          await this.#end("Starting", "to begin anew as the only member");
          this.#restart();
        }
        break;
      case "Fenced":
        if (decision.kind === "fenced") this.#say("Fenced", decision.reason);
        else this.#restart();
        break;
      default: {
        const isUnderWay = decision.kind === "forceNew" && decision.ticket.nonce === this.#forcing;
        // An opening cannot be broken off, and the next one finds the same reason at once.
        const ends = decision.kind === "fenced" || decision.kind === "forceNew";
        if (ends && !isUnderWay) this.#restart();
      }
    }
  }

  async #end(phase: "Fenced" | "Starting", reason: string): Promise<void> {
    const { status, probes, logger } = this.#options;
    logger.warn({ phase, reason }, "this member stops serving");
    status.freeze("");
    status.set(phase, reason);
    probes.use(null);
    await this.#stop?.();
  }

  #restart(): void {
    const { logger, onEnd } = this.#options;
    logger.info({}, "the process starts anew, since the boot file has changed");
    if (this.#dataDir.isInhabited) this.#dataDir.noteLife(null);
    restartInPlace(logger);
    onEnd("the boot file has changed");
  }

  /** Throws `error` unless another look may find that it is over. */
  #onFailure(error: unknown): void {
    const known = QuorateError.from(error);
    if (error instanceof ForceRefusal) {
      this.#identify(true);
      this.#say("Fenced", known.message);
      return;
    }
    if (known.message.startsWith(REMOVED_REFUSAL)) {
      this.#dataDir.bury(known.message);
      return;
    }
    if (known.code !== "configuration" || this.#dataDir.isInhabited) throw error;
    this.#say("AwaitingTicket", known.message);
  }

  #say(phase: "AwaitingTicket" | "Fenced" | "Starting", reason: string): void {
    const { status, logger } = this.#options;
    if (phase === "AwaitingTicket") status.identify(null);
    if (status.set(phase, reason)) logger.warn({ phase, reason }, "this member serves nothing yet");
  }

  /** Before there is a member: whose disk it is, and how far its log reaches. */
  #identify(withLog: boolean): void {
    const { status } = this.#options;
    if (!this.#dataDir.isInhabited) return status.identify(null);
    const identity = this.#dataDir.readIdentity();
    status.identify(identity, withLog ? readProgress(this.#dataDir, identity) : null);
  }
}
