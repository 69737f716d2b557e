/** Many histories, in threads of their own: the test runner looks after every promise, and there are millions of them here. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Verdict } from "./schedule.ts";
import type { SweepOrder } from "./sweep-worker.ts";

export interface Swept {
  readonly verdicts: readonly Verdict[];
  /** Of the verdicts with a breach: how to have that history again, and its story. */
  readonly complaints: readonly string[];
  /** For the log. */
  readonly summary: string;
}

/** Half the memory of a thread's young objects is never looked at again: they need room, not care. */
const YOUNG_MB = 64;

/** `first`, `count` and `budgetMs` are of all threads together; each stops at its first breach. */
export async function sweep(order: SweepOrder, threads = 1): Promise<Swept> {
  const verdicts: Verdict[] = [];
  const ends: Promise<unknown>[] = [];
  for (let thread = 0; thread < threads; thread++) {
    const workerData: SweepOrder = { ...order, first: order.first + thread, step: threads };
    const worker = new Worker(new URL("./sweep-worker.ts", import.meta.url), {
      workerData: { ...workerData, last: order.first + order.count - 1 },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.on("message", (verdict: Verdict) => verdicts.push(verdict));
    ends.push(once(worker, "exit"));
  }
  await Promise.all(ends);
  const complaints = verdicts.flatMap(({ seed, theme, breaches, story }) =>
    breaches.length === 0
      ? []
      : [`SWEEP_SEED=${seed} (${theme})\n${breaches.join("\n")}\n${story.join("\n")}`],
  );
  return { verdicts, complaints, summary: summaryOf(verdicts) };
}

function summaryOf(verdicts: readonly Verdict[]): string {
  const sum = (of: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  const themes = new Map<string, number>();
  for (const { theme } of verdicts)
    for (const each of theme.split(" and ")) themes.set(each, (themes.get(each) ?? 0) + 1);
  const each = [...themes].map(([theme, count]) => `${theme} ${count}`).join(", ");
  return `${verdicts.length} histories (${each}), ${sum(({ passes }) => passes)} passes, ${sum(({ kills }) => kills)} operators killed, ${sum(({ acknowledged }) => acknowledged)} acknowledged writes`;
}
