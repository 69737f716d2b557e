/**
 * Requests that took longer than --warning-unary-request-duration: counted by where the time went, and logged with it.
 * Under overload every request is slow: so many lines a second are written, the rest is summed up in one.
 */
import type { Logger } from "../src/base/ports.ts";
import type { ServerCall, Status } from "../src/grpc/service.ts";
import { STATUS_NAMES } from "../src/api/catalogue.ts";
import type { Timeline } from "./timeline.ts";
import { isTrace, longestPhase, type Phase, type Phases } from "./trace.ts";

const LINES_A_SECOND = 10;
const SECOND_MS = 1_000;

export interface SlowRequestCount {
  readonly method: string;
  /** That took most of the time. */
  readonly phase: Phase;
  count: number;
}

export interface SlowRequestsOptions {
  readonly logger: Logger;
  readonly timeline: Timeline;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Of the store, now. */
  readonly revision: () => number;
}

export class SlowRequests {
  readonly #options: SlowRequestsOptions;
  readonly #counts = new Map<string, SlowRequestCount>();
  #windowMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #left = 0;

  constructor(options: SlowRequestsOptions) {
    this.#options = options;
  }

  get counts(): Iterable<SlowRequestCount> {
    return this.#counts.values();
  }

  /** A unary request has ended and was slow. */
  onSlow(path: string, status: Status, elapsedMs: number, call: ServerCall | null): void {
    const now = this.#options.now();
    const trace = isTrace(call?.trace) ? call.trace : null;
    const phases = trace?.phases(this.#options.timeline, now - elapsedMs, now) ?? {
      handle: elapsedMs,
    };
    this.#count(path, longestPhase(phases));
    if (!this.#mayLog(now)) return;
    this.#options.logger.warn(
      {
        path,
        ms: Math.round(elapsedMs),
        ...rounded(phases),
        status: STATUS_NAMES[status] ?? "Unknown",
        remote: call?.remoteAddress,
        revision: this.#options.revision(),
        request: trace?.describe(),
      },
      "a request took long",
    );
  }

  /** Once a second: says how many were passed over. */
  tick(): void {
    if (this.#left === 0) return;
    this.#options.logger.warn({ requests: this.#left }, "more requests took long");
    this.#left = 0;
  }

  #mayLog(now: number): boolean {
    if (now - this.#windowMs >= SECOND_MS) {
      this.#windowMs = now;
      this.#lines = 0;
    }
    if (this.#lines++ < LINES_A_SECOND) return true;
    this.#left++;
    return false;
  }

  #count(path: string, phase: Phase): void {
    const key = `${path} ${phase}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count++;
    else {
      this.#counts.set(key, { method: path.slice(path.lastIndexOf("/") + 1), phase, count: 1 });
    }
  }
}

/** `queueMs: 3` and so on, to a tenth. */
function rounded(phases: Phases): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [phase, ms] of Object.entries(phases)) out[`${phase}Ms`] = Math.round(ms * 10) / 10;
  return out;
}
