/** Frames that cost us and bring nothing, counted a second and connection (Limits.abusiveFramesPerSecondMax). */
import { ConnectionError, ErrorCode } from "./frame.ts";

export const Abuse = {
  reset: 0,
  settings: 1,
  ping: 2,
  priority: 3,
  emptyData: 4,
  windowUpdate: 5,
  unknown: 6,
  streamError: 7,
} as const;
export type Abuse = (typeof Abuse)[keyof typeof Abuse];
const KINDS = 8;
const SECOND_MS = 1_000;

export class AbuseMeter {
  readonly #max: number;
  readonly #counts: Uint32Array = new Uint32Array(KINDS);
  #since = 0;

  constructor(perSecondMax: number) {
    this.#max = perSecondMax;
  }

  /** Throws ENHANCE_YOUR_CALM beyond the limit. */
  note(kind: Abuse, nowMs: number): void {
    if (nowMs - this.#since >= SECOND_MS) {
      this.#since = nowMs;
      this.#counts.fill(0);
    }
    const count = (this.#counts[kind] as number) + 1;
    this.#counts[kind] = count;
    if (count > this.#max)
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many frames to no effect");
  }
}

/** Pings that a client may send too early before it is told off; one more ends the connection (as grpc-go). */
const PING_STRIKES_MAX = 2;
/** How often a client without calls may ping (as grpc-go's default without permission). */
const IDLE_PING_MS = 7_200_000;

/** gRPC A8: a client that pings more often than allowed is sent away with "too_many_pings". */
export class PingPolicy {
  readonly #minTimeMs: number;
  #strikes = 0;
  #lastPing = Number.NEGATIVE_INFINITY;
  /** We sent HEADERS or DATA since the last ping: pings that measure bandwidth follow data and are welcome. */
  #excused = true;

  constructor(minTimeMs: number) {
    this.#minTimeMs = minTimeMs;
  }

  /** We sent HEADERS or DATA. */
  excuse(): void {
    this.#excused = true;
  }

  /** A PING arrived. True if it is one too many. */
  isTooMany(nowMs: number, hasCalls: boolean): boolean {
    const last = this.#lastPing;
    this.#lastPing = nowMs;
    if (this.#excused) {
      this.#excused = false;
      this.#strikes = 0;
      return false;
    }
    const allowedAt = last + (hasCalls ? this.#minTimeMs : IDLE_PING_MS);
    if (nowMs < allowedAt) this.#strikes++;
    return this.#strikes > PING_STRIKES_MAX;
  }
}
