/** A log over a disk in memory, and words to say what it holds. */
import { present } from "../../../src/base/assert.ts";
import type { QuorateError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/ports.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import type { Entry, HardState, Index, MemberId, Term } from "../../../src/raft/types.ts";
import { EntryKind, makeEntry } from "../../../src/raft/types.ts";
import type { WalOptions, WalRecovery } from "../../../src/wal/wal.ts";
import { Wal } from "../../../src/wal/wal.ts";
import type { LogDisk } from "../../sim/log-device.ts";
import { MemoryLogDevice } from "../../sim/log-device.ts";

/** A small seeded generator (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return { next, between: (from, end) => from + Math.floor(next() * (end - from)) };
}

export const METADATA: Uint8Array = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
export const SMALL_SEGMENT: number = 32 * 1024;

export function entry(index: number, term: number, data: Uint8Array | string = ""): Entry {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return makeEntry(term as Term, index as Index, EntryKind.normal, bytes);
}

export function run(from: number, end: number, term: number, text = "e"): readonly Entry[] {
  const entries: Entry[] = [];
  for (let index = from; index < end; index++) entries.push(entry(index, term, `${text}${index}`));
  return entries;
}

export function state(term: number, vote: number, commit: number): HardState {
  return { term: term as Term, vote: BigInt(vote) as MemberId, commit: commit as Index };
}

export interface Opened {
  readonly wal: Wal;
  readonly device: MemoryLogDevice;
  readonly recovery: WalRecovery;
  readonly failures: QuorateError[];
}

export async function openOn(
  disk: LogDisk,
  more: Partial<WalOptions> & { readonly onOperation?: (what: string) => void } = {},
): Promise<Opened> {
  const { onOperation, ...options } = more;
  const device = new MemoryLogDevice({
    disk,
    ...(onOperation === undefined ? {} : { onOperation }),
  });
  const failures: QuorateError[] = [];
  const { wal, recovery } = await Wal.open({
    device,
    logger: silentLogger,
    clock: { now: () => 0 },
    random: seeded(7),
    metadata: METADATA,
    segmentBytes: SMALL_SEGMENT,
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return { wal, device, recovery, failures };
}

/** Appends and waits until it is durable. */
export function append(
  wal: Wal,
  entries: readonly Entry[],
  hardState: HardState | null = null,
): Promise<void> {
  return new Promise((resolve) => wal.append(entries, hardState, resolve));
}

export function reset(wal: Wal, index: number, term: number, hardState: HardState): Promise<void> {
  return new Promise((resolve) => wal.reset(index as Index, term as Term, hardState, resolve));
}

/** The log as text, one `index:term:data` an entry, read back from the files. */
export function contents(wal: Wal, bytesMax = 64): readonly string[] {
  const found: string[] = [];
  const end = (wal.lastIndex() + 1) as Index;
  for (let from = wal.firstIndex(); from < end;) {
    const entries = present(wal.entries(from, end, bytesMax), "held");
    for (const one of entries) found.push(describe(one));
    from = (from + entries.length) as Index;
  }
  return found;
}

export function describe(one: Entry): string {
  return `${one.index}:${one.term}:${Buffer.from(one.data).toString("latin1")}`;
}
