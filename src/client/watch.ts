/**
 * A watch: every change of its keys, once, in order, from its first revision on, over as many streams and members as it
 * takes. Each watch has a stream of its own, so that one whose reader is slow holds back no other.
 *
 * Invariant: all events below `#next` are in the queue or were taken from it, and none at or above it.
 */
import { API_ERRORS, WATCH_REASONS } from "../api/catalogue.ts";
import type { ResponseHeader } from "../api/gen/header.ts";
import { Watch as WatchService } from "../api/gen/methods.ts";
import { type Event, EventType, keyValue } from "../api/gen/mvcc.ts";
import {
  FilterType,
  type WatchRequest,
  type WatchResponse,
  watchCreateRequest,
} from "../api/gen/watch.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { type KeyRange, toWireRange } from "./bytes.ts";
import type { Calls, OpenStream } from "./calls.ts";
import { ClientError, CompactedError, statusTextError, toClientError } from "./error.ts";
import { KeyValue, toKeyValue } from "./key-value.ts";
import { backoffMs, isStreamRetryable } from "./retry.ts";
import { onAborted } from "./time.ts";

export interface WatchOptions {
  /** The first revision whose events are wanted; what happens from now on unless given. */
  readonly fromRevision?: number | undefined;
  /** Each event with the value before it. */
  readonly previous?: boolean | undefined;
  /** Batches without events from time to time, which say how far everything was seen. */
  readonly progress?: boolean | undefined;
  readonly only?: "puts" | "deletes" | undefined;
  /** Ends the watch: the iteration is over, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** The member to watch at, as long as the watch lasts; any unless given. */
  readonly endpoint?: string | undefined;
}

export interface WatchEvent {
  readonly kind: "put" | "delete";
  /** Of a deletion only key and revision. */
  readonly row: KeyValue;
  /** Null where there was none, it is compacted, or it was not asked for. */
  readonly previous: KeyValue | null;
  /** The key was not there before. */
  readonly isCreate: boolean;
}

export interface WatchBatch {
  /** All events of one revision are in one batch, which may hold several revisions. Empty: progress. */
  readonly events: readonly WatchEvent[];
  /** Where a later watch goes on after this batch: its `fromRevision`. */
  readonly nextRevision: number;
  readonly header: ResponseHeader;
}

/** Batches that wait for the reader before the stream is told to wait as well, and at which it may go on. */
const QUEUE_MAX = 64;
const QUEUE_RESUME = 16;
/** Refused tokens in a row. */
const REFUSALS_MAX = 3;

export class Watch implements AsyncIterable<WatchBatch>, AsyncDisposable {
  readonly #calls: Calls;
  readonly #range: KeyRange;
  readonly #options: WatchOptions;
  readonly #closer = new AbortController();
  readonly #ended: Promise<void>;
  readonly #started: Deferred<number> = deferred();
  readonly #queue: WatchBatch[] = [];
  /** Woken when there is something in the queue, or nothing more will come. */
  #waiting: Deferred<void> | null = null;
  #isOver = false;
  #error: ClientError | null = null;
  /** 0: whatever the next revision is. */
  #next: number;
  /** Events of a response that came in parts. */
  #parts: Event[] = [];
  #stream: OpenStream<WatchRequest> | null = null;
  #isProgressWanted = false;
  #heard = false;
  #refusals = 0;

  /** Begins at once. */
  constructor(calls: Calls, range: KeyRange, options: WatchOptions) {
    this.#calls = calls;
    this.#range = range;
    this.#options = options;
    this.#next = options.fromRevision ?? 0;
    this.#started.promise.catch(() => {});
    this.#ended = this.#run();
  }

  /** Resolves with the first revision that is watched once a member does; rejects if none ever does. */
  get started(): Promise<number> {
    return this.#started.promise;
  }

  /** Asks how far everything was seen; the answer is a batch without events, sooner or later. */
  requestProgress(): void {
    this.#isProgressWanted = true;
    this.#stream?.send({ requestUnion: { kind: "progressRequest", value: {} } });
  }

  /** No further batches; those that wait are dropped. */
  async close(): Promise<void> {
    this.#queue.length = 0;
    this.#closer.abort();
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Calls back for one batch after the other; resolves when the watch is closed, rejects when it fails or the callback does. */
  async run(onBatch: (batch: WatchBatch) => void | Promise<void>): Promise<void> {
    for await (const batch of this) await onBatch(batch);
  }

  /** There is one queue: who iterates twice shares it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<WatchBatch, void, undefined> {
    try {
      for (;;) {
        const batch = this.#queue.shift();
        if (batch !== undefined) {
          if (this.#queue.length === QUEUE_RESUME) this.#stream?.resume();
          yield batch;
        } else if (this.#isOver) {
          if (this.#error !== null) throw this.#error;
          return;
        } else {
          this.#waiting ??= deferred();
          await this.#waiting.promise;
        }
      }
    } finally {
      await this.close();
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    const closer = this.#closer;
    const undo = this.#calls
      .budget({ timeoutMs: Number.POSITIVE_INFINITY, signal })
      .onAbort(() => closer.abort());
    try {
      for (let round = 0; !closer.signal.aborted; round++) {
        if (round > 0) await this.#pause(backoffMs(round - 1, Math.random()));
        this.#heard = false;
        await this.#listen();
        if (this.#heard) round = 0;
      }
      this.#finish(null);
    } catch (thrown) {
      this.#finish(closer.signal.aborted ? null : toClientError(thrown));
    } finally {
      undo();
    }
  }

  async #pause(ms: number): Promise<void> {
    const budget = this.#calls.budget({
      timeoutMs: Number.POSITIVE_INFINITY,
      signal: this.#closer.signal,
    });
    await budget.wait(ms);
  }

  /** One stream to its end. Throws what no other stream would mend. */
  async #listen(): Promise<void> {
    const over = deferred<ClientError | null>();
    const { signal } = this.#closer;
    let stream: OpenStream<WatchRequest> | null = null;
    const cancel = (): void => stream?.cancel();
    let undo = (): void => {};
    try {
      stream = await this.#calls.stream(
        WatchService.watch,
        this.#createRequest(),
        "read",
        {
          onMessage: (message) => this.#onMessage(message, over),
          onEnd: (error) => over.resolve(error),
        },
        { signal, timeoutMs: Number.POSITIVE_INFINITY, endpoint: this.#options.endpoint },
      );
      this.#stream = stream;
      undo = onAborted(signal, cancel);
      await this.#onEnd(await over.promise);
    } catch (thrown) {
      if (!isStreamRetryable(toClientError(thrown).code)) throw thrown;
    } finally {
      this.#stream = null;
      this.#parts = [];
      undo();
      stream?.cancel();
    }
  }

  #createRequest(): WatchRequest {
    const { previous, progress, only } = this.#options;
    const value = watchCreateRequest({
      ...toWireRange(this.#range),
      startRevision: this.#next,
      progressNotify: progress ?? false,
      prevKv: previous ?? false,
      filters: only === undefined ? [] : [only === "puts" ? FilterType.nodelete : FilterType.noput],
      fragment: true,
    });
    return { requestUnion: { kind: "createRequest", value } };
  }

  async #onEnd(error: ClientError | null): Promise<void> {
    if (error === null || isStreamRetryable(error.code)) return;
    const isToken =
      error.is("invalidAuthToken") || error.is("authOldRevision") || error.is("userEmpty");
    if (!isToken || !this.#calls.hasCredentials || ++this.#refusals > REFUSALS_MAX) throw error;
    await this.#calls.refuseToken();
  }

  #onMessage(message: WatchResponse, over: Deferred<ClientError | null>): void {
    const { header } = message;
    if (header === null) return;
    if (message.canceled) {
      over.resolve(cancellation(message, this.#stream?.endpoint.name ?? null));
      return;
    }
    this.#heard = true;
    if (message.created) this.#onCreated(header.revision);
    else if (message.events.length > 0) this.#onEvents(message, header);
    else this.#onProgress(header);
  }

  #onCreated(revision: number): void {
    this.#refusals = 0;
    // "From now on" means the same after the next connection as after this one.
    if (this.#next <= 0) this.#next = revision + 1;
    this.#started.resolve(this.#next);
    if (this.#isProgressWanted) this.requestProgress();
  }

  #onEvents(message: WatchResponse, header: ResponseHeader): void {
    const first = this.#next;
    for (const event of message.events) {
      if (event.kv !== null && event.kv.modRevision >= first) this.#parts.push(event);
    }
    if (message.fragment || this.#parts.length === 0) return;
    const events = this.#parts.map(toWatchEvent);
    this.#parts = [];
    this.#next = (events.at(-1)?.row.modRevision ?? 0) + 1;
    this.#push({ events, nextRevision: this.#next, header });
  }

  #onProgress(header: ResponseHeader): void {
    this.#next = Math.max(this.#next, header.revision + 1);
    if (this.#options.progress !== true && !this.#isProgressWanted) return;
    this.#isProgressWanted = false;
    this.#push({ events: [], nextRevision: this.#next, header });
  }

  #push(batch: WatchBatch): void {
    this.#queue.push(batch);
    if (this.#queue.length >= QUEUE_MAX) this.#stream?.pause();
    this.#wake();
  }

  #finish(error: ClientError | null): void {
    this.#isOver = true;
    this.#error = error;
    this.#started.reject(error ?? new ClientError("cancelled", "the watch was closed"));
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }
}

function toWatchEvent(event: Event): WatchEvent {
  const row = new KeyValue(event.kv ?? keyValue());
  return {
    kind: event.type === EventType.delete ? "delete" : "put",
    row,
    previous: toKeyValue(event.prevKv),
    isCreate: event.type === EventType.put && row.createRevision === row.modRevision,
  };
}

/** Why a member ended a watch. */
function cancellation(message: WatchResponse, endpoint: string | null): ClientError {
  const { compactRevision, cancelReason } = message;
  if (compactRevision > 0 || cancelReason === WATCH_REASONS.compacted)
    return new CompactedError(compactRevision, { endpoint });
  const reason = cancelReason === "" ? API_ERRORS.watchCanceled.text : cancelReason;
  return statusTextError(reason, endpoint) ?? new ClientError("aborted", reason, { endpoint });
}
