/**
 * Who watches what, and what they get.
 *
 * A watcher is synced or unsynced. Synced ones are fed by the write path, in the turn of the write. Unsynced ones read from
 * history in slices, and join in the turn in which they have reached the newest revision, so without gap or repeat. A synced
 * watcher whose stream is over its bound, or whose event needs a value from disk, drops what it has not delivered and reads
 * on from there: nothing is queued for anybody beyond the bound of a stream.
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/ports.ts";
import { CatchUp } from "./catch-up.ts";
import type { Change, History } from "./change.ts";
import type { Pace } from "./pace.ts";
import { WatchEvent } from "./watch-event.ts";
import {
  ALL_WATCHERS,
  leastIfEmpty,
  Watcher,
  type WatchRequest,
  type WatchResponseKind,
  type WatchSink,
  WatchStream,
} from "./watcher.ts";
import { WatcherGroup, type WatcherSet } from "./watcher-group.ts";

/** What a stream may have queued before its watchers wait. */
export const STREAM_BYTES_MAX: number = 1024 * 1024;
/** What the streams of one connection may have queued together before each may have only `CROWDED_STREAM_BYTES_MAX`. */
const CONNECTION_BYTES = 8 * 1024 * 1024;
const CROWDED_STREAM_BYTES_MAX = 64 * 1024;
const NOTIFY_JITTER = 0.1;
const NO_EVENTS: readonly Uint8Array[] = [];

export interface WatchStoreOptions {
  readonly history: History;
  readonly pace: Pace;
  /** For the jitter of progress notifications. */
  readonly random: Random;
  /** etcd's --watch-progress-notify-interval. */
  readonly progressIntervalMs: number;
  /** History could not be read (corruption, disk): fatal. */
  readonly onFatal: (error: unknown) => void;
  readonly streamBytesMax?: number;
}

export type WatchCreateOutcome =
  /** "created" was delivered. */
  | { readonly kind: "created"; readonly watchId: number }
  /** Nothing was delivered: answer created and canceled with watch id -1 and the reason. */
  | { readonly kind: "emptyRange" | "duplicateId" | "compacted" };

/** What waits to be delivered. */
export interface WatchBacklog {
  /** Events made and not yet handed to a stream. */
  readonly pendingEvents: number;
  /** Bytes that streams have accepted and clients have not read. */
  readonly queuedBytes: number;
  /** Revisions that the watcher furthest behind has still to read. */
  readonly revisions: number;
}

export class WatchStore {
  #history: History;
  readonly #options: WatchStoreOptions;
  readonly #bytesMax: number;
  /** The last one fed: what synced watchers have or have pending. */
  #revision: number;
  readonly #synced = new WatcherGroup();
  readonly #streams = new Set<WatchStream>();
  readonly #catchUp: CatchUp;
  /** Watchers with pending events, in the order in which they got the first. */
  readonly #dirty: Watcher[] = [];
  readonly #late: Watcher[] = [];
  readonly #sets: WatcherSet[] = [];
  #watchers = 0;
  #eventsDelivered = 0;

  constructor(options: WatchStoreOptions) {
    this.#options = options;
    this.#history = options.history;
    this.#revision = options.history.revision;
    this.#bytesMax = options.streamBytesMax ?? STREAM_BYTES_MAX;
    this.#catchUp = new CatchUp({
      pace: options.pace,
      history: () => this.#history,
      revision: () => this.#revision,
      isOpen: (watcher) => !this.#overBound(watcher.stream),
      deliver: (watcher, events) => this.#deliverEvents(watcher, events),
      compacted: (watcher) => this.#compacted(watcher),
      joined: (watcher) => this.#join(watcher),
      onFatal: options.onFatal,
    });
  }

  get watcherCount(): number {
    return this.#watchers;
  }

  /** Watchers behind: etcd's slow watchers. */
  get slowWatcherCount(): number {
    return this.#watchers - this.#synced.size;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Events handed to sinks since the start. */
  get eventsDelivered(): number {
    return this.#eventsDelivered;
  }

  /** Looks at every stream, and at every watcher where some are behind: for the scrape. */
  backlog(): WatchBacklog {
    let pendingEvents = 0;
    let queuedBytes = 0;
    let least = this.#revision + 1;
    const behind = this.slowWatcherCount > 0;
    for (const watcher of this.#dirty) pendingEvents += watcher.pending?.length ?? 0;
    for (const stream of this.#streams) {
      queuedBytes += stream.sink.queuedBytes;
      if (!behind) continue;
      for (const watcher of stream.watchers.values()) {
        if (!watcher.synced) least = Math.min(least, watcher.minRevision);
      }
    }
    return { pendingEvents, queuedBytes, revisions: this.#revision + 1 - least };
  }

  open(sink: WatchSink): WatchStream {
    const stream = new WatchStream(sink);
    this.#streams.add(stream);
    return stream;
  }

  /** Ends all watchers of the stream; nothing is delivered any more. */
  close(stream: WatchStream): void {
    if (stream.closed) return;
    stream.closed = true;
    for (const watcher of stream.watchers.values()) this.#remove(watcher);
    stream.watchers.clear();
    this.#streams.delete(stream);
  }

  /** The caller has checked permissions on the request as it came, and bounds what a client that does not read may ask. */
  create(stream: WatchStream, request: WatchRequest): WatchCreateOutcome {
    assert(!stream.closed, "a closed stream creates no watcher");
    if (request.startRevision < 0) return { kind: "compacted" };
    const { rangeEnd, startRevision } = request;
    const bounded = rangeEnd !== "" && rangeEnd !== "\0";
    if (bounded && leastIfEmpty(request.key) >= rangeEnd) return { kind: "emptyRange" };
    if (request.watchId !== 0 && stream.watchers.has(request.watchId)) {
      return { kind: "duplicateId" };
    }
    const watchId = request.watchId === 0 ? stream.pickId() : request.watchId;
    const watcher = new Watcher(stream, watchId, request);
    stream.watchers.set(watchId, watcher);
    this.#watchers++;
    if (watcher.progressNotify) stream.notified++;
    this.#deliver(watcher.stream, "created", watchId, NO_EVENTS);
    if (startRevision === 0 || startRevision > this.#revision) this.#join(watcher);
    else this.#catchUp.add(watcher);
    return { kind: "created", watchId };
  }

  /** Delivers "canceled", after which nothing of the watcher follows. False, and nothing, if there is no such watcher. */
  cancel(stream: WatchStream, watchId: number): boolean {
    const watcher = stream.watchers.get(watchId);
    if (watcher === undefined) return false;
    this.#remove(watcher);
    stream.watchers.delete(watchId);
    this.#deliver(stream, "canceled", watchId, NO_EVENTS);
    return true;
  }

  /** A WatchProgressRequest: one answer for the stream if all its watchers have everything, else none. */
  requestProgress(stream: WatchStream): void {
    this.flush();
    if (stream.watchers.size === 0 || this.#overBound(stream)) return;
    for (const watcher of stream.watchers.values()) if (!this.#hasAll(watcher)) return;
    this.#deliver(stream, "progress", ALL_WATCHERS, NO_EVENTS);
  }

  /** The write path, after each entry that changed the key space, in the same turn: `changes` in order of sub. */
  onChanges(revision: number, changes: readonly Change[]): void {
    assert(revision > this.#revision, "revisions ascend");
    this.#revision = revision;
    if (this.#synced.size === 0) return;
    for (const change of changes) {
      const sets = this.#sets;
      sets.length = 0;
      this.#synced.collect(change.key, sets);
      if (sets.length === 0) continue;
      const event = new WatchEvent(change);
      for (const set of sets) this.#feed(set.watchers, event);
    }
    for (const watcher of this.#late) this.#fallBehind(watcher, revision);
    this.#late.length = 0;
  }

  /** The loop, at the end of its turn: hands over what the turn's writes made, one response for each watcher. */
  flush(): void {
    for (const watcher of this.#dirty) {
      const { pending } = watcher;
      if (pending === null) continue;
      if (this.#overBound(watcher.stream)) {
        this.#fallBehind(watcher, watcher.pendingFrom);
        continue;
      }
      watcher.pending = null;
      this.#deliverEvents(watcher, pending);
    }
    this.#dirty.length = 0;
  }

  /** Progress notifications. `nowMs` is monotonic; call about every 100 ms. */
  tick(nowMs: number): void {
    this.flush();
    for (const stream of this.#streams) {
      if (stream.notified === 0 || nowMs < stream.notifyMs) {
        if (stream.notified > 0 && stream.notifyMs === Infinity)
          this.#scheduleNotify(stream, nowMs);
        continue;
      }
      this.#scheduleNotify(stream, nowMs);
      for (const watcher of stream.watchers.values()) {
        if (!watcher.progressNotify) continue;
        const due = watcher.quiet && this.#hasAll(watcher) && !this.#overBound(stream);
        if (due) this.#deliver(stream, "progress", watcher.id, NO_EVENTS);
        watcher.quiet = true;
      }
    }
  }

  /**
   * The store was replaced by a snapshot (R17, R18). Watchers of what was and of what it jumped over read it from the new
   * history; those of a revision beyond it go on waiting.
   */
  rebase(history: History): void {
    this.flush();
    const before = this.#revision;
    this.#history = history;
    this.#revision = history.revision;
    this.#catchUp.restart();
    for (const stream of this.#streams) {
      for (const watcher of stream.watchers.values()) {
        if (!watcher.synced) continue;
        const from = Math.max(watcher.minRevision, before + 1);
        if (from <= this.#revision) this.#fallBehind(watcher, from);
        else watcher.minRevision = from;
      }
    }
  }

  #scheduleNotify(stream: WatchStream, nowMs: number): void {
    const { progressIntervalMs, random } = this.#options;
    stream.notifyMs = nowMs + progressIntervalMs * (1 + NOTIFY_JITTER * random.next());
  }

  #hasAll(watcher: Watcher): boolean {
    return watcher.synced && watcher.startRevision <= this.#revision;
  }

  #feed(watchers: readonly Watcher[], event: WatchEvent): void {
    const { main, tombstone } = event.change;
    for (const watcher of watchers) {
      if (main < watcher.minRevision || watcher.late) continue;
      if (tombstone ? watcher.noDelete : watcher.noPut) continue;
      const bytes = watcher.prevKv ? event.withPrevious(this.#history) : event.plain();
      if (bytes === null || watcher.stream.blocked) {
        watcher.late = true;
        this.#late.push(watcher);
      } else if (watcher.pending === null) {
        watcher.pending = [bytes];
        watcher.pendingFrom = main;
        this.#dirty.push(watcher);
      } else {
        watcher.pending.push(bytes);
      }
    }
  }

  /** Synced no more: reads on from its first undelivered revision, `from` if nothing is pending. */
  #fallBehind(watcher: Watcher, from: number): void {
    watcher.minRevision = watcher.pending === null ? from : watcher.pendingFrom;
    watcher.pending = null;
    watcher.late = false;
    watcher.synced = false;
    this.#synced.remove(watcher);
    this.#catchUp.add(watcher);
  }

  #join(watcher: Watcher): void {
    watcher.minRevision = Math.max(watcher.minRevision, this.#revision + 1);
    watcher.synced = true;
    this.#synced.add(watcher);
  }

  #compacted(watcher: Watcher): void {
    this.#remove(watcher);
    watcher.stream.watchers.delete(watcher.id);
    this.#deliver(watcher.stream, "compacted", watcher.id, NO_EVENTS);
  }

  /** Leaves everything but its stream's map. */
  #remove(watcher: Watcher): void {
    watcher.closed = true;
    watcher.pending = null;
    if (watcher.synced) this.#synced.remove(watcher);
    else this.#catchUp.remove(watcher);
    this.#watchers--;
    if (watcher.progressNotify) watcher.stream.notified--;
  }

  /** Whether the stream must be drained first; asks for a call when it is. */
  #overBound(stream: WatchStream): boolean {
    if (stream.blocked) return true;
    const { sink } = stream;
    const crowded = sink.connectionQueuedBytes >= CONNECTION_BYTES;
    const bytesMax = crowded ? Math.min(this.#bytesMax, CROWDED_STREAM_BYTES_MAX) : this.#bytesMax;
    if (!sink.isCrowded && sink.queuedBytes < bytesMax) return false;
    stream.blocked = true;
    const onDrained = (): void => {
      stream.blocked = false;
      if (!stream.closed) this.#catchUp.unpark(stream);
    };
    if (sink.isCrowded) sink.onRoom(onDrained);
    else sink.onDrained(bytesMax / 2, onDrained);
    return true;
  }

  #deliverEvents(watcher: Watcher, events: readonly Uint8Array[]): void {
    watcher.quiet = false;
    this.#eventsDelivered += events.length;
    const { stream, id, fragment } = watcher;
    stream.sink.deliver({
      kind: "events",
      watchId: id,
      revision: this.#revision,
      compactRevision: 0,
      events,
      fragment,
    });
  }

  #deliver(
    stream: WatchStream,
    kind: WatchResponseKind,
    watchId: number,
    events: readonly Uint8Array[],
  ): void {
    const compactRevision = kind === "compacted" ? this.#history.compactRevision : 0;
    const revision = this.#revision;
    stream.sink.deliver({ kind, watchId, revision, compactRevision, events, fragment: false });
  }
}
