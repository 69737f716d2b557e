/** One watcher, one stream of watchers, and what leaves them. */
import type { Key } from "../base/bytes.ts";

/** The watch id of a response for all watchers of a stream. */
export const ALL_WATCHERS = -1;

export type WatchResponseKind =
  /** Exactly one for each watcher, before anything else of it. */
  | "created"
  | "events"
  /** No events: the client has everything up to `revision`. */
  | "progress"
  /** Answers a cancel. */
  | "canceled"
  /** Ends a watcher that was overtaken by a compaction: canceled, with compact_revision and without a reason. */
  | "compacted";

/** What a WatchResponse is made of. */
export interface WatchResponseParts {
  readonly kind: WatchResponseKind;
  readonly watchId: number;
  /** For the header: the store's, at or above that of the last event. */
  readonly revision: number;
  /** 0 unless compacted. */
  readonly compactRevision: number;
  /** Encoded mvccpb.Event each, whole revisions, ascending. Shared with other responses: never changed. */
  readonly events: readonly Uint8Array[];
  /** Whether the client lets this response be split; the pieces must leave without another response between them. */
  readonly fragment: boolean;
}

/** Where the responses of a stream go. Calls nothing back from within `deliver`. */
export interface WatchSink {
  deliver(response: WatchResponseParts): void;
  /** Bytes delivered and not yet taken by the transport. */
  readonly queuedBytes: number;
  /** Calls back once, in a later turn, when `queuedBytes` is below this. */
  onDrained(below: number, callback: () => void): void;
  /** Bytes that wait in all streams of its connection, this one's among them. */
  readonly connectionQueuedBytes: number;
  /** So many of them that nothing more should be delivered. */
  readonly isCrowded: boolean;
  /** Calls back once, in a later turn, when half of them have left. */
  onRoom(callback: () => void): void;
}

/** A WatchCreateRequest. */
export interface WatchRequest {
  /** Empty: the least key. */
  readonly key: Key;
  /** Empty: only `key`; "\0": no end. */
  readonly rangeEnd: Key;
  /** 0: from now on. */
  readonly startRevision: number;
  /** 0: the stream picks one. */
  readonly watchId: number;
  readonly progressNotify: boolean;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly fragment: boolean;
}

export class Watcher {
  readonly stream: WatchStream;
  readonly id: number;
  readonly key: Key;
  /** Exclusive; null: no end. Of no meaning for a point. */
  readonly end: Key | null;
  readonly isPoint: boolean;
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly fragment: boolean;
  /** Changes below are not for it: delivered, or before its start. Kept up to date while it is unsynced. */
  minRevision: number;
  /** In the synced group: everything from `minRevision` to now is delivered or in `pending`. */
  synced = false;
  closed = false;
  /** In its set of the group it is in. */
  place = -1;
  /** Events of this turn, not yet delivered. Null: none. */
  pending: Uint8Array[] | null = null;
  /** Revision of the first of them. */
  pendingFrom = 0;
  /** It must read on from history: it is not fed any more in this turn. */
  late = false;
  /** Whether it got nothing since the last progress notification was due. */
  quiet = false;

  constructor(stream: WatchStream, id: number, request: WatchRequest) {
    const { key, rangeEnd } = request;
    this.stream = stream;
    this.id = id;
    this.key = leastIfEmpty(key);
    this.isPoint = rangeEnd === "";
    this.end = rangeEnd === "\0" ? null : rangeEnd;
    this.startRevision = request.startRevision;
    this.minRevision = request.startRevision;
    this.progressNotify = request.progressNotify;
    this.prevKv = request.prevKv;
    this.noPut = request.noPut;
    this.noDelete = request.noDelete;
    this.fragment = request.fragment;
  }
}

/** Watchers that share one sink, and their ids. A handle: everything is done through the WatchStore. */
export class WatchStream {
  readonly sink: WatchSink;
  readonly watchers: Map<number, Watcher> = new Map();
  /** Over its bound: its watchers read on from history when it is drained. */
  blocked = false;
  closed = false;
  /** Unsynced watchers that wait for that. */
  readonly parked: Set<Watcher> = new Set();
  /** How many ask for progress notifications, and when the next are due (monotonic milliseconds). */
  notified = 0;
  notifyMs: number = Infinity;
  #nextId = 0;

  constructor(sink: WatchSink) {
    this.sink = sink;
  }

  /** The next free id, never one that was picked before. */
  pickId(): number {
    while (this.watchers.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }
}

/** As etcd: an empty key stands for the least one. */
export function leastIfEmpty(key: Key): Key {
  return key === "" ? ("\0" as Key) : key;
}
