/** Finds and runs the programs that judge us: etcd, its tools, kubectl. Built by `test/cluster/build`. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

export const CACHE: string = process.env["Q8S_CACHE"] ?? join(homedir(), ".cache", "q8s");

/** The path of a built tool, else the one on PATH; an error that says how to build it if there is none. */
export function tool(name: string): string {
  const folders = [join(CACHE, "bin"), ...(process.env["PATH"] ?? "").split(delimiter)];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is missing: run test/cluster/build`);
  return found;
}

export interface Finished {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A program under way, with what it has printed so far. */
export class Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = "";
  stderr = "";

  constructor(command: readonly string[], options: RunOptions = {}) {
    const [program = "", ...args] = command;
    this.child = spawn(program, args, { env: { ...process.env, ...options.env } });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    // A program may end without reading what it is given.
    this.child.stdin?.on("error", () => {});
    if (options.stdin !== undefined) this.child.stdin?.end(options.stdin);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), options.timeoutMs ?? 30_000);
    this.finished = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (code) => {
        clearTimeout(timer);
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }
}

/** Runs a program to its end. Never throws for an exit code; a time-out ends it with SIGKILL and code null. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Running(command, { stdin: "", ...options }).finished;
}

/** Asks until the answer is yes; throws with `what` after the time. */
export async function until(
  what: string,
  timeoutMs: number,
  ask: () => boolean | Promise<boolean>,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    if (await ask()) return;
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** The least sample that a share `of` (0…1) of them does not exceed. */
export function percentile(samples: readonly number[], of: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * of) - 1)] ?? Number.NaN;
}
