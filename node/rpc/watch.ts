/** The Watch service: one stream, any number of watchers. */
import { statusText, WATCH_REASONS, type ApiError } from "../../src/api/catalogue.ts";
import {
  decodeWatchRequest,
  encodeWatchResponse,
  FilterType,
  watchResponse,
} from "../../src/api/gen/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../../src/api/gen/watch.ts";
import { encodeWatchEventsRaw } from "../../src/api/hot.ts";
import { EMPTY, fromKey, toKey } from "../../src/base/bytes.ts";
import type { ServerCall, StreamReceiver } from "../../src/grpc/service.ts";
import type {
  Watcher,
  WatchResponseParts as Delivery,
  WatchSink,
  WatchStream,
} from "../../src/mvcc/watcher.ts";
import { corruptRefusal, fail, failWith } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";
import { identify, identityOf, lostIdentity, renewed, type Principal } from "./principal.ts";
import type { Session } from "./sessions.ts";

/** Of a response that concerns no watcher of the stream. */
const NO_WATCHER = -1;
/** What a fragment may hold beside the request limit, as etcd's overhead. */
const FRAGMENT_OVERHEAD_BYTES = 512 * 1024;

export function openWatch(host: Host, call: ServerCall): StreamReceiver {
  return new WatchCall(host, call);
}

type KeyRange = Pick<WatchCreateRequest, "key" | "rangeEnd">;

const OPEN_END = Buffer.from([0]);

/** What a watcher watches, as a request would ask for it. */
function rangeOf({ key, end, isPoint }: Watcher): KeyRange {
  const rangeEnd = isPoint ? EMPTY : end === null ? OPEN_END : fromKey(end);
  return { key: fromKey(key), rangeEnd };
}

class WatchCall implements StreamReceiver, WatchSink, Session {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #stream: WatchStream;
  /** Of the watchers; null: none was created while authentication was on. */
  #who: Principal | null = null;
  /** Of the watcher that is being canceled. */
  #cancelReason = "";

  constructor(host: Host, call: ServerCall) {
    this.#host = host;
    this.#call = call;
    this.#stream = host.watch.open(this);
    host.logins.sessions.add(this);
  }

  get queuedBytes(): number {
    return this.#call.queuedBytes;
  }

  get connectionQueuedBytes(): number {
    return this.#call.connectionQueuedBytes;
  }

  get isCrowded(): boolean {
    return this.#call.isCrowded;
  }

  onRoom(callback: () => void): void {
    this.#call.onRoom(callback);
  }

  onDrained(below: number, callback: () => void): void {
    this.#call.onDrained(below, callback);
  }

  onMessage(message: Uint8Array): void {
    try {
      const { requestUnion } = decodeWatchRequest(message);
      switch (requestUnion?.kind) {
        case "createRequest":
          this.#create(requestUnion.value);
          break;
        case "cancelRequest":
          this.#host.watch.cancel(this.#stream, requestUnion.value.watchId);
          break;
        case "progressRequest":
          this.#host.watch.requestProgress(this.#stream);
          break;
        default:
          break; // as etcd: what it does not know is passed over
      }
    } catch (error) {
      failWith(this.#call, error);
    }
  }

  onHalfClose(): void {
    // The client reads on; nothing more will be asked.
  }

  onClose(): void {
    this.#host.logins.sessions.delete(this);
    this.#host.watch.close(this.#stream);
  }

  /** Cancels the watchers whose keys the user may not read any more. */
  recheck(): void {
    const { machine, watch } = this.#host;
    if (!machine.auth.enabled) return;
    this.#who ??= identityOf(this.#host, this.#call);
    const lost = lostIdentity(this.#host, this.#who);
    const claim = this.#who === null ? null : renewed(this.#host, this.#who);
    for (const watcher of Array.from(this.#stream.watchers.values())) {
      const error = claim === null ? lost : (lost ?? this.#refusal(claim, rangeOf(watcher)));
      if (error === null) continue;
      this.#cancelReason = statusText(error);
      watch.cancel(this.#stream, watcher.id);
      this.#cancelReason = "";
    }
  }

  #refusal(who: Principal, range: KeyRange): ApiError | null {
    return this.#host.machine.authoriser.keys(who, { kind: "watch", value: range });
  }

  /** What forbids to watch a range, asked as it came; null if nothing does. */
  #createRefusal(request: WatchCreateRequest): ApiError | null {
    if (!this.#host.machine.auth.enabled) return null;
    const found = identify(this.#host, this.#call);
    if (found.kind === "refused") return found.error;
    this.#who = found.who;
    return this.#refusal(found.who, request);
  }

  deliver(delivery: Delivery): void {
    switch (delivery.kind) {
      case "events":
        this.#deliverEvents(delivery);
        break;
      case "created":
        this.#respond(delivery.revision, { watchId: delivery.watchId, created: true });
        break;
      case "canceled":
        this.#respond(delivery.revision, {
          watchId: delivery.watchId,
          canceled: true,
          cancelReason: this.#cancelReason,
        });
        break;
      case "compacted":
        // As in etcd, whose header names no revision here.
        this.#respond(0, {
          watchId: delivery.watchId,
          canceled: true,
          compactRevision: delivery.compactRevision,
        });
        break;
      case "progress":
        this.#respond(delivery.revision, { watchId: delivery.watchId });
        break;
    }
  }

  #create(request: WatchCreateRequest): void {
    const corrupt = corruptRefusal(this.#host);
    if (corrupt !== null) {
      fail(this.#call, corrupt);
      return;
    }
    const refusal = request.startRevision < 0 ? null : this.#createRefusal(request);
    if (refusal !== null) {
      this.#refuse(statusText(refusal));
      return;
    }
    const outcome = this.#host.watch.create(this.#stream, {
      key: toKey(request.key),
      rangeEnd: toKey(request.rangeEnd),
      startRevision: request.startRevision,
      progressNotify: request.progressNotify,
      noPut: request.filters.includes(FilterType.noput),
      noDelete: request.filters.includes(FilterType.nodelete),
      prevKv: request.prevKv,
      watchId: request.watchId,
      fragment: request.fragment,
    });
    if (outcome.kind !== "created") this.#refuse(WATCH_REASONS[outcome.kind]);
  }

  #refuse(cancelReason: string): void {
    this.#respond(this.#host.machine.store.revision, {
      watchId: NO_WATCHER,
      created: true,
      canceled: true,
      cancelReason,
    });
  }

  #respond(revision: number, fields: Partial<WatchResponse>): void {
    const header = headerOf(this.#host, revision);
    this.#call.send(encodeWatchResponse(watchResponse({ ...fields, header })));
  }

  #deliverEvents({ watchId, revision, events, fragment }: Delivery): void {
    const header = this.#host.header(revision);
    if (!fragment) {
      this.#call.send(encodeWatchEventsRaw(header, watchId, events, false));
      return;
    }
    const bytesMax = this.#host.config.maxRequestBytes + FRAGMENT_OVERHEAD_BYTES;
    let from = 0;
    let bytes = 0;
    for (const [at, event] of events.entries()) {
      if (at > from && bytes + event.length > bytesMax) {
        this.#call.send(encodeWatchEventsRaw(header, watchId, events.slice(from, at), true));
        from = at;
        bytes = 0;
      }
      bytes += event.length;
    }
    this.#call.send(encodeWatchEventsRaw(header, watchId, events.slice(from), false));
  }
}
