/**
 * The entry: `node node/main.ts FLAGS` runs a member, `node node/main.ts COMMAND ARGUMENTS` a command. The member restarts
 * itself in place, once, with what a server needs of its runtime and what can only be set before the process begins. The
 * process id stays.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isCommand } from "./commands.ts";

const TUNED = "QUORATE_RUNTIME";
/**
 * Young generation: V8's own choice grows to 134 MB, most of it idle. Beyond 8 MiB a semispace buys no throughput here.
 */
const NODE_FLAGS = [
  "--max-semi-space-size=8",
  // The collector for memory-keeper.ts.
  "--expose-gc",
  "--disable-warning=ExperimentalWarning",
];
/**
 * glibc would keep the peak of each of LevelDB's threads, and of every large buffer, for good. What is mapped one by one goes
 * back when it is freed, and costs a page fault for every 4 KiB: so whatever is made often is smaller, a slab, or made once. V8's
 * compilers take 32 KiB at a time. A second arena gained no throughput and kept holes of its own.
 */
const MALLOC: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "131072",
  MALLOC_MMAP_THRESHOLD_: "40960",
};

function restartTuned(): void {
  if (process.env[TUNED] !== undefined || process.execve === undefined) return;
  const environment: NodeJS.ProcessEnv = { ...MALLOC, ...process.env, [TUNED]: "1" };
  const cache = compileCache();
  if (cache !== null) environment["NODE_COMPILE_CACHE"] ??= cache;
  const [, script = "", ...args] = process.argv;
  const flags = process.execArgv.filter((flag) => flag !== "--disable-warning=ExperimentalWarning");
  process.execve(
    process.execPath,
    [process.execPath, ...NODE_FLAGS, ...flags, script, ...args],
    environment,
  );
}

/** Compiled code is kept beside the program, which nobody else may write; null where the program may not either. */
function compileCache(): string | null {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const directory = join(root, "node_modules", ".cache", "quorate");
  try {
    mkdirSync(directory, { recursive: true });
    return directory;
  } catch {
    return null;
  }
}

const args = process.argv.slice(2);
if (isCommand(args)) {
  const { main } = await import("./command-process.ts");
  await main(args);
} else {
  restartTuned();
  const { main } = await import("./process.ts");
  await main(args);
}
