/** Applies what a log holds to a state that nobody is served from. */
import { present } from "../src/base/assert.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { Index } from "../src/raft/types.ts";
import type { Wal } from "../src/wal/wal.ts";
import { systemPace } from "./pace.ts";

const ENTRIES_BYTES_MAX = 4 * 1024 * 1024;

/** Up to `last`, which the log has. Rejects with "corruption" where an entry is missing, and as `signal` says. */
export async function applyLog(
  machine: Machine,
  wal: Pick<Wal, "entries">,
  last: number,
  signal: AbortSignal | null,
): Promise<void> {
  while (machine.appliedIndex < last) {
    signal?.throwIfAborted();
    const from = (machine.appliedIndex + 1) as Index;
    const entries = wal.entries(from, (last + 1) as Index, ENTRIES_BYTES_MAX);
    if (entries?.[0] === undefined) {
      throw new QuorateError("corruption", `the log does not hold entry ${from}`);
    }
    for (const entry of present(entries, "there are entries")) await apply(machine, entry);
  }
}

async function apply(machine: Machine, entry: Parameters<Machine["apply"]>[0]): Promise<void> {
  let isDone = machine.apply(entry);
  while (!isDone) {
    await systemPace.turn();
    isDone = machine.resume();
  }
  // What waits for the store stays bounded.
  if (machine.buffer.pendingBytes > ENTRIES_BYTES_MAX) await machine.buffer.drain();
}
