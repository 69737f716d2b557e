/** Deadlines and aborted signals, so that every wait of the client ends. */
import { API_ERRORS } from "../api/catalogue.ts";
import { abortedError, ClientError } from "./error.ts";

/** How long a call may take, and who may end it earlier. */
export interface CallOptions {
  /** Ends the call with code "cancelled". */
  readonly signal?: AbortSignal | undefined;
  /** For the whole call, all attempts together, in milliseconds; the client's `timeoutMs` unless given. */
  readonly timeoutMs?: number | undefined;
  /** For one attempt at one member, in milliseconds; the client's `attemptTimeoutMs` unless given. */
  readonly attemptTimeoutMs?: number | undefined;
}

/** The end of a call: a moment of the monotonic clock, and a signal. */
export class Budget {
  readonly #end: number;
  readonly #signals: readonly AbortSignal[];

  constructor(timeoutMs: number, signals: readonly (AbortSignal | undefined)[]) {
    this.#end = performance.now() + timeoutMs;
    this.#signals = signals.filter((signal) => signal !== undefined);
  }

  /** Milliseconds left; 0 when there are none. */
  get leftMs(): number {
    return Math.max(0, this.#end - performance.now());
  }

  /**
   * Throws if a signal was aborted, or no more than `neededMs` are left. `last` is what the latest attempt failed with.
   */
  check(last: ClientError | null, neededMs = 0): void {
    for (const signal of this.#signals) {
      if (signal.aborted) throw abortedError(signal);
    }
    if (this.leftMs > neededMs) return;
    const { text } = API_ERRORS.deadlineExceeded;
    const why = last === null ? text : `${text}: ${last.message}`;
    throw new ClientError("deadlineExceeded", why, {
      cause: last,
      endpoint: last?.endpoint ?? null,
    });
  }

  /** Calls `stop` at once if a signal is aborted, else when one is. Returns what undoes it. */
  onAbort(stop: (signal: AbortSignal) => void): () => void {
    const undo = this.#signals.map((signal) => onAborted(signal, () => stop(signal)));
    return () => undo.forEach((each) => each());
  }

  /** Settles with `promise`, or after `ms`, or at the end, or when a signal is aborted: whichever comes first. */
  async wait(ms: number, promise: Promise<unknown> | null = null): Promise<void> {
    let undo = (): void => {};
    let timer: NodeJS.Timeout | null = null;
    const over = new Promise<void>((resolve) => {
      undo = this.onAbort(() => resolve());
      const waitMs = Math.min(ms, this.leftMs);
      if (Number.isFinite(waitMs)) timer = setTimeout(resolve, Math.ceil(waitMs));
    });
    try {
      await (promise === null ? over : Promise.race([promise, over]));
    } finally {
      undo();
      if (timer !== null) clearTimeout(timer);
    }
  }
}

/** Who waits for a signal. It has one listener of ours for all: with many calls under way Node would warn of a leak. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back when the signal is aborted, at once if it is. Returns what undoes it. */
export function onAborted(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => {};
  }
  const all = waiting.get(signal) ?? newlyHeard(signal);
  // A function of its own: the same listener may wait twice.
  const own = (): void => listener();
  all.add(own);
  return () => void all.delete(own);
}

function newlyHeard(signal: AbortSignal): Set<() => void> {
  const all = new Set<() => void>();
  waiting.set(signal, all);
  signal.addEventListener("abort", () => Array.from(all).forEach((each) => each()), { once: true });
  return all;
}
