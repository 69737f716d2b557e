/** Automatic compaction, by age or by count. The leader proposes; who leads later begins its own record of ages. */
import type { Config } from "./config.ts";

const HOUR_MS = 3_600_000;
const REVISION_MODE_EVERY_MS = 5 * 60_000;
const SAMPLES_A_PERIOD = 10;

/** The revision to compact to now; null for none. Call `tick` about every second. */
export class AutoCompaction {
  readonly #mode: Config["autoCompaction"];
  /** Periodic: (time, revision), oldest first, one each tenth of the interval. */
  #samples: { readonly at: number; readonly revision: number }[] = [];
  #lastSampleMs = Number.NEGATIVE_INFINITY;
  #lastCompactionMs: number | null = null;
  #lastRevision = 0;

  constructor(mode: Config["autoCompaction"]) {
    this.#mode = mode;
  }

  /** This member does not lead: what it noted is worth nothing later. */
  reset(): void {
    this.#samples = [];
    this.#lastSampleMs = Number.NEGATIVE_INFINITY;
    this.#lastCompactionMs = null;
  }

  tick(nowMs: number, revision: number): number | null {
    switch (this.#mode.mode) {
      case "off":
        return null;
      case "periodic":
        return this.#periodic(nowMs, revision, this.#mode.periodMs);
      case "revision":
        return this.#byCount(nowMs, revision, this.#mode.revisions);
    }
  }

  #periodic(nowMs: number, revision: number, periodMs: number): number | null {
    const everyMs = Math.min(periodMs, HOUR_MS);
    if (nowMs - this.#lastSampleMs < everyMs / SAMPLES_A_PERIOD) return null;
    this.#lastSampleMs = nowMs;
    this.#samples.push({ at: nowMs, revision });
    this.#lastCompactionMs ??= nowMs;
    if (nowMs - this.#lastCompactionMs < everyMs) return null;
    let old = -1;
    while (this.#samples.length > 1 && (this.#samples[0]?.at ?? nowMs) <= nowMs - periodMs) {
      old = this.#samples.shift()?.revision ?? -1;
    }
    if (old < 0) return null;
    this.#lastCompactionMs = nowMs;
    return this.#advance(old);
  }

  #byCount(nowMs: number, revision: number, keep: number): number | null {
    this.#lastCompactionMs ??= nowMs;
    if (nowMs - this.#lastCompactionMs < REVISION_MODE_EVERY_MS) return null;
    this.#lastCompactionMs = nowMs;
    return this.#advance(revision - keep);
  }

  /** Nothing to do where nothing was written since. */
  #advance(revision: number): number | null {
    if (revision <= 0 || revision === this.#lastRevision) return null;
    this.#lastRevision = revision;
    return revision;
  }
}
