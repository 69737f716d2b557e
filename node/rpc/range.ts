/** KV.Range: at once where all is in memory, in slices where it is large. */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import { SortOrder, SortTarget } from "../../src/api/gen/kv.ts";
import type { RangeRequest } from "../../src/api/gen/kv.ts";
import { encodeRangeResponseRaw } from "../../src/api/hot.ts";
import { keep, toKey } from "../../src/base/bytes.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { toRangeEnd } from "../../src/machine/bounds.ts";
import type { RangeOutcome, RangeQuery } from "../../src/mvcc/range.ts";
import type { MemberStats } from "../metrics/stats.ts";
import type { ReadFailure, ReadTimes, ReadWaiter } from "../reads.ts";
import type { Timeline } from "../timeline.ts";
import { readPhases, type Phases, type Trace } from "../trace.ts";
import { fail, failWith, READ_ERRORS } from "./answer.ts";
import { describeRange } from "./describe.ts";
import type { Host } from "./host.ts";
import { outdated, type Principal } from "./principal.ts";

/** Rows from which on a range is built in slices. */
const LARGE_ROWS = 1_000;

const ORDERS = {
  [SortOrder.none]: "none",
  [SortOrder.ascend]: "ascend",
  [SortOrder.descend]: "descend",
} as const;
const TARGETS = {
  [SortTarget.key]: "key",
  [SortTarget.version]: "version",
  [SortTarget.create]: "create",
  [SortTarget.mod]: "mod",
  [SortTarget.value]: "value",
} as const;

/** The request in the words of the index; it keeps nothing of the request's bytes. Sort options are checked by then. */
export function toQuery(request: RangeRequest): RangeQuery {
  return {
    key: toKey(request.key),
    end: toRangeEnd(request.rangeEnd),
    revision: request.revision,
    limit: request.limit,
    countOnly: request.countOnly,
    keysOnly: request.keysOnly,
    sortOrder: ORDERS[request.sortOrder as keyof typeof ORDERS] ?? "none",
    sortTarget: TARGETS[request.sortTarget as keyof typeof TARGETS] ?? "key",
    minMod: request.minModRevision,
    maxMod: request.maxModRevision,
    minCreate: request.minCreateRevision,
    maxCreate: request.maxCreateRevision,
  };
}

/** A linearizable range that waits for its read index. */
export class RangeCall implements ReadWaiter, Trace {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #query: RangeQuery;
  #times: ReadTimes | null = null;
  readonly #who: Principal | null;

  constructor(host: Host, call: ServerCall, query: RangeQuery, who: Principal | null) {
    this.#host = host;
    this.#call = call;
    this.#query = query;
    this.#who = who;
    call.trace = this;
  }

  onReadable(times: ReadTimes): void {
    this.#times = times;
    // What was allowed when it was asked may have been forbidden by a write that this read must see.
    if (this.#host.machine.auth.enabled && failOutdated(this.#host, this.#call, this.#who)) return;
    serveRange(this.#host, this.#call, this.#query, this.#who);
  }

  onReadFailure(failure: ReadFailure): void {
    fail(this.#call, READ_ERRORS[failure]);
  }

  describe(): object {
    return describeRange(this.#query);
  }

  phases(_timeline: Timeline, startMs: number, endMs: number): Phases {
    return readPhases(this.#times, startMs, endMs);
  }
}

/** A range of the local state that could not be answered at once. */
class LocalRange implements Trace {
  readonly #query: RangeQuery;

  constructor(query: RangeQuery) {
    this.#query = query;
  }

  describe(): object {
    return { ...describeRange(this.#query), serializable: true };
  }

  phases(_timeline: Timeline, startMs: number, endMs: number): Phases {
    return { read: endMs - startMs };
  }
}

/** Reads now, and answers now or later. */
export function serveRange(
  host: Host,
  call: ServerCall,
  query: RangeQuery,
  who: Principal | null,
): void {
  if (call.ended) return;
  if (isLarge(host, query)) {
    call.trace ??= new LocalRange(query);
    const large = new LargeRange(host, call, query, who);
    call.context = large;
    timed(host.stats, host.config.warnApplyMs, large.run());
    return;
  }
  if (call.isCrowded) {
    // Its rows would wait with those of others: they are read when the client has taken some of these.
    call.onRoom(() => {
      if (!failOutdated(host, call, who)) serveRange(host, call, query, who);
    });
    return;
  }
  const { ranges } = host.stats;
  const beganMs = ranges.isSampled() ? performance.now() : -1;
  const outcome = host.machine.store.range(query);
  if (!(outcome instanceof Promise)) {
    if (beganMs >= 0) ranges.onSampled((performance.now() - beganMs) / 1000);
    answerRange(host, call, outcome);
    return;
  }
  call.trace ??= new LocalRange(query);
  timed(host.stats, host.config.warnApplyMs, outcome);
  outcome.then(
    (rows) => {
      if (!failOutdated(host, call, who)) answerRange(host, call, rows);
    },
    (error: unknown) => failWith(call, error),
  );
}

/** Counts a range that takes its time, once it is through. */
function timed(stats: MemberStats, warnMs: number, range: Promise<unknown>): void {
  const beganMs = performance.now();
  const onEnd = (ok: boolean): void => {
    const tookMs = performance.now() - beganMs;
    stats.ranges.onEnd(tookMs / 1000, ok);
    if (tookMs > warnMs) stats.slowApplies++;
  };
  range.then(
    (outcome) => onEnd(outcome !== false),
    () => onEnd(false),
  );
}

/** True if users or roles have changed since the question was allowed: it is refused. */
function failOutdated(host: Host, call: ServerCall, who: Principal | null): boolean {
  const error = outdated(host, who);
  if (error !== null) fail(call, error);
  return error !== null;
}

/** The client went away: a range that is being built stops. */
export function cancelRange(call: ServerCall): void {
  if (call.context instanceof LargeRange) call.context.cancel();
}

function isLarge(host: Host, query: RangeQuery): boolean {
  const { key, end, limit, countOnly } = query;
  if (end === null || countOnly || (limit > 0 && limit <= LARGE_ROWS)) return false;
  return host.machine.store.count(key, end) > LARGE_ROWS;
}

function answerRange(host: Host, call: ServerCall, outcome: RangeOutcome): void {
  switch (outcome.kind) {
    case "rows":
      call.reply(
        encodeRangeResponseRaw(
          host.header(outcome.revision),
          outcome.rows,
          outcome.more,
          outcome.count,
        ),
      );
      break;
    case "compacted":
      fail(call, API_ERRORS.compacted);
      break;
    case "future":
      fail(call, API_ERRORS.futureRevision);
      break;
  }
}

/** A range whose rows are gathered in slices and leave as the client takes them. */
class LargeRange {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #query: RangeQuery;
  readonly #abort = new AbortController();
  readonly #parts: Uint8Array[] = [];
  readonly #who: Principal | null;
  #taken = 0;
  #size = 0;

  constructor(host: Host, call: ServerCall, query: RangeQuery, who: Principal | null) {
    this.#host = host;
    this.#call = call;
    this.#query = query;
    this.#who = who;
  }

  cancel(): void {
    this.#abort.abort();
    this.#release();
  }

  /** Resolves false where it came to nothing. */
  async run(): Promise<boolean> {
    try {
      await this.#host.responses.enter();
      await this.#build();
      return true;
    } catch (error) {
      this.#release();
      if (!this.#abort.signal.aborted) failWith(this.#call, error);
      return false;
    }
  }

  async #build(): Promise<void> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    const sink = { chunk: (bytes: Uint8Array): void => this.#keep(bytes) };
    const outcome = await this.#host.machine.store.rangeInto(this.#query, null, sink, signal);
    if (outcome.kind !== "rows") {
      this.#release();
      fail(
        this.#call,
        outcome.kind === "future" ? API_ERRORS.futureRevision : API_ERRORS.compacted,
      );
      return;
    }
    if (failOutdated(this.#host, this.#call, this.#who)) {
      this.#release();
      return;
    }
    const { revision, more, count } = outcome;
    const head = keep(encodeRangeResponseRaw(this.#host.header(revision), [], more, count));
    this.#parts.unshift(head);
    this.#size += head.length;
    let next = 0;
    this.#call.replyParts(this.#size, () => {
      const part = this.#parts[next];
      if (part === undefined) {
        this.#release();
        return null;
      }
      this.#parts[next++] = NOTHING;
      return part;
    });
  }

  #keep(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    this.#taken += bytes.length;
    this.#host.responses.take(bytes.length);
  }

  #release(): void {
    this.#parts.length = 0;
    this.#host.responses.give(this.#taken);
    this.#taken = 0;
  }
}

const NOTHING = new Uint8Array(0);
