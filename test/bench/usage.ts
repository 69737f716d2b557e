/** What a process tree uses, read from /proc (Linux). */
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The kernel's clock ticks a second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

function tree(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [
      pid,
      ...children
        .split(" ")
        .filter(Boolean)
        .flatMap((child) => tree(Number(child))),
    ];
  } catch {
    return [pid];
  }
}

/** Memory in MiB, what several processes share counted once (PSS). */
export function memoryMiB(pids: readonly number[]): number {
  return sum(pids.flatMap(tree), (pid) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024;
  });
}

/** Processor time in seconds, user and system. */
export function processorSeconds(pids: readonly number[]): number {
  return sum(pids.flatMap(tree), (pid) => {
    // The command's name may hold spaces; the fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  });
}

/** Blocks on disk in MiB. */
export function diskMiB(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return sum(entries, (entry) => (lstatSync(join(folder, entry)).blocks * 512) / 1_048_576);
}

/** Things vanish while they are counted: those count nothing. */
function sum<T>(items: readonly T[], measure: (item: T) => number): number {
  let total = 0;
  for (const item of items) {
    try {
      total += measure(item);
    } catch {
      // Gone.
    }
  }
  return total;
}
