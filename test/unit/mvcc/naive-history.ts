/** The history as a plain list, and a sink that writes down what it gets: what the watch tests compare with. */
import { deferred } from "../../../src/base/deferred.ts";
import type { Key } from "../../../src/base/bytes.ts";
import type { Change, ChangeSlice, History } from "../../../src/mvcc/change.ts";
import type { Pace } from "../../../src/mvcc/pace.ts";
import type { Revision } from "../../../src/mvcc/revision.ts";
import type { WatchResponseParts, WatchSink } from "../../../src/mvcc/watcher.ts";

/** A put ("key", "value") or a delete ("key", null). */
export type Write = readonly [key: string, value: string | null];

export class NaiveHistory implements History {
  revision: Revision = 1 as Revision;
  compactRevision: number = -1;
  readonly changes: Change[] = [];
  /** Whether previous values come as promises, as from a disk. */
  cold = false;
  /** How many reads are under way, and what they wait for. */
  gate: Promise<void> = Promise.resolve();
  revisionsMax: number = Infinity;

  write(...writes: readonly Write[]): readonly Change[] {
    const main = ++(this.revision as number) as Revision;
    const made = writes.map(([key, value], sub): Change => {
      const text = value === null ? `-${key}` : `${key}=${value}`;
      const record = Buffer.from(`${text}@${main}`);
      return { key: key as Key, record, tombstone: value === null, main, sub };
    });
    this.revision = main;
    this.changes.push(...made);
    return made;
  }

  async readChanges(from: Revision, end: Revision, revisionsMax: number): Promise<ChangeSlice> {
    const all = this.changes.filter((change) => change.main >= from && change.main < end);
    const mains = [...new Set(all.map((change) => change.main))];
    const next = mains[Math.min(revisionsMax, this.revisionsMax)] ?? end;
    await this.gate;
    return { changes: all.filter((change) => change.main < next), next };
  }

  previousRecord(change: Change): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const before = this.changes.findLast(
      ({ key, main }) => key === change.key && main < change.main,
    );
    const record = before === undefined || before.tombstone ? undefined : before.record;
    return this.cold ? Promise.resolve(record) : record;
  }
}

/** An encoded event as text: "k=v@2", "-k@3", with "<" and the previous record if it has one. */
export function describeEvent(event: Uint8Array): string {
  const bytes = Buffer.from(event);
  let at = 0;
  const field = (tag: number): string => {
    if (bytes[at] !== tag) return "";
    const length = bytes[at + 1] ?? 0;
    at += 2 + length;
    return bytes.toString("latin1", at - length, at);
  };
  if (bytes[at] === 0x08) at += 2;
  const kv = field(0x12);
  const previous = field(0x1a);
  return previous === "" ? kv : `${kv}<${previous}`;
}

export class RecordingSink implements WatchSink {
  readonly log: string[] = [];
  readonly responses: WatchResponseParts[] = [];
  queuedBytes = 0;
  connectionQueuedBytes = 0;
  isCrowded = false;
  /** Bytes a response counts for; 0: the client reads at once. */
  bytesEach = 0;
  #waiting: (() => void)[] = [];

  deliver(response: WatchResponseParts): void {
    const { kind, watchId, revision, compactRevision, events } = response;
    const text = events.map(describeEvent).join(" ");
    const detail = kind === "events" ? text : kind === "compacted" ? compactRevision : revision;
    this.log.push(`${watchId} ${kind} ${detail}`);
    this.responses.push(response);
    this.queuedBytes += this.bytesEach;
  }

  onDrained(_below: number, callback: () => void): void {
    this.#waiting.push(callback);
  }

  onRoom(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** The client has read everything. */
  drain(): void {
    this.queuedBytes = 0;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  /** The log since the last call. */
  take(): string[] {
    return this.log.splice(0);
  }

  /** All events delivered to a watcher, one text each. */
  eventsOf(watchId: number): string[] {
    const own = this.responses.filter((response) => response.watchId === watchId);
    return own.flatMap((response) => response.events.map(describeEvent));
  }
}

export const pace: Pace = {
  now: () => 0,
  turn: async () => await new Promise((resolve) => setImmediate(resolve)),
  sleep: async () => await new Promise((resolve) => setImmediate(resolve)),
};

/** Long enough for the catch-up to come to rest. */
export async function settled(turns = 12): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await pace.turn();
}

export function gate(): { readonly promise: Promise<void>; open: () => void } {
  const { promise, resolve } = deferred<void>();
  return { promise, open: () => resolve() };
}
