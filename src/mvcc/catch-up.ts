/** Unsynced watchers and the one loop that reads history for them, a slice at a time, each in its turn. */
import type { Change, History } from "./change.ts";
import type { Pace } from "./pace.ts";
import type { Revision } from "./revision.ts";
import { WatchEvent } from "./watch-event.ts";
import type { Watcher, WatchStream } from "./watcher.ts";
import { WatcherGroup, type WatcherSet } from "./watcher-group.ts";

/** Watchers that share the reading of a slice. */
const WATCHERS_A_SLICE = 512;
/** As etcd: main revisions in one response at most. */
const REVISIONS_A_SLICE = 1_000;

export interface CatchUpOptions {
  readonly pace: Pace;
  readonly history: () => History;
  /** The newest revision that synced watchers were fed. */
  readonly revision: () => number;
  /** Whether the watcher's stream takes more. */
  readonly isOpen: (watcher: Watcher) => boolean;
  readonly deliver: (watcher: Watcher, events: readonly Uint8Array[]) => void;
  readonly compacted: (watcher: Watcher) => void;
  /** It has everything: feed it from now on. */
  readonly joined: (watcher: Watcher) => void;
  readonly onFatal: (error: unknown) => void;
}

export class CatchUp {
  readonly #options: CatchUpOptions;
  /** In the order of their turns. Parked ones are with their stream. */
  readonly #waiting = new Set<Watcher>();
  #running = false;
  /** Changes when history is replaced: a slice read before is void. */
  #epoch = 0;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  add(watcher: Watcher): void {
    this.#waiting.add(watcher);
    this.#wake();
  }

  remove(watcher: Watcher): void {
    this.#waiting.delete(watcher);
    watcher.stream.parked.delete(watcher);
  }

  /** The stream takes more again. */
  unpark(stream: WatchStream): void {
    for (const watcher of stream.parked) this.#waiting.add(watcher);
    stream.parked.clear();
    this.#wake();
  }

  restart(): void {
    this.#epoch++;
  }

  #wake(): void {
    if (this.#running || this.#waiting.size === 0) return;
    this.#running = true;
    this.#run().catch((error: unknown) => {
      this.#running = false;
      this.#options.onFatal(error);
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      // First, so that a watcher is created and its slice read in different turns, and between slices others have theirs.
      await this.#options.pace.turn();
      const chosen = this.#choose();
      if (chosen.length > 0) await this.#slice(chosen);
      if (this.#waiting.size === 0) break;
    }
    this.#running = false;
  }

  /** The watchers of the next slice: the first in turn, and others that need nothing before it. */
  #choose(): readonly Watcher[] {
    const { compactRevision } = this.#options.history();
    const chosen: Watcher[] = [];
    let from = 0;
    for (const watcher of this.#waiting) {
      if (chosen.length >= WATCHERS_A_SLICE) break;
      if (!this.#options.isOpen(watcher)) {
        this.#waiting.delete(watcher);
        watcher.stream.parked.add(watcher);
      } else if (watcher.minRevision < compactRevision) {
        this.#options.compacted(watcher);
      } else if (watcher.minRevision > this.#options.revision()) {
        this.#waiting.delete(watcher);
        this.#options.joined(watcher);
      } else if (chosen.length === 0 || watcher.minRevision >= from) {
        if (chosen.length === 0) from = watcher.minRevision;
        chosen.push(watcher);
      }
    }
    return chosen;
  }

  async #slice(chosen: readonly Watcher[]): Promise<void> {
    const from = chosen[0]?.minRevision ?? 0;
    const epoch = this.#epoch;
    const history = this.#options.history();
    const end = this.#options.revision() + 1;
    const read = history.readChanges(from as Revision, end as Revision, REVISIONS_A_SLICE);
    const slice = await this.#unlessOvertaken(read, history, from);
    if (slice === null || epoch !== this.#epoch || from < history.compactRevision) return;
    const group = new WatcherGroup();
    for (const watcher of chosen) if (!watcher.closed) group.add(watcher);
    const events = slice.changes.map((change) => new WatchEvent(change));
    const loaded = loadPrevious(group, events, history);
    const done = await this.#unlessOvertaken(loaded, history, from);
    if (done === null || epoch !== this.#epoch) return;
    const gathered = gather(group, events, history);
    for (const watcher of chosen) {
      if (watcher.closed) continue;
      const found = gathered.get(watcher);
      // Parked by the next choice: it stays where it is, and reads this again.
      if (found !== undefined && !this.#options.isOpen(watcher)) continue;
      if (found !== undefined) this.#options.deliver(watcher, found);
      watcher.minRevision = Math.max(watcher.minRevision, slice.next);
      this.#waiting.delete(watcher);
      if (watcher.minRevision > this.#options.revision()) this.#options.joined(watcher);
      else this.#waiting.add(watcher); // Behind all others.
    }
  }

  /** Null where the work failed because a compaction or a snapshot overtook it. */
  async #unlessOvertaken<T>(work: Promise<T>, history: History, from: number): Promise<T | null> {
    const epoch = this.#epoch;
    try {
      return await work;
    } catch (error) {
      if (epoch !== this.#epoch || from < history.compactRevision) return null;
      throw error;
    }
  }
}

function wants(watcher: Watcher, change: Change): boolean {
  if (watcher.closed || change.main < watcher.minRevision) return false;
  return change.tombstone ? !watcher.noDelete : !watcher.noPut;
}

async function loadPrevious(
  group: WatcherGroup,
  events: readonly WatchEvent[],
  history: History,
): Promise<true> {
  const loads: Promise<void>[] = [];
  for (const event of events) {
    const sets: WatcherSet[] = [];
    group.collect(event.change.key, sets);
    const needed = sets.some((set) =>
      set.watchers.some((watcher) => watcher.prevKv && wants(watcher, event.change)),
    );
    if (needed && event.withPrevious(history) === null) loads.push(event.load(history));
  }
  await Promise.all(loads);
  return true;
}

function gather(
  group: WatcherGroup,
  events: readonly WatchEvent[],
  history: History,
): Map<Watcher, Uint8Array[]> {
  const gathered = new Map<Watcher, Uint8Array[]>();
  const sets: WatcherSet[] = [];
  for (const event of events) {
    sets.length = 0;
    group.collect(event.change.key, sets);
    for (const { watchers } of sets) {
      for (const watcher of watchers) {
        if (!wants(watcher, event.change)) continue;
        const bytes = watcher.prevKv ? event.withPrevious(history) : event.plain();
        const list = gathered.get(watcher);
        // The previous version was loaded above for every watcher that was open then, and none was added.
        if (list === undefined) gathered.set(watcher, [bytes ?? event.plain()]);
        else list.push(bytes ?? event.plain());
      }
    }
  }
  return gathered;
}
