/** Election.Observe: one stream that tells who leads, and every value the leader proclaims. */
import { decodeLeaderRequest, encodeLeaderResponse } from "../../src/api/gen/election.ts";
import type { LeaderResponse } from "../../src/api/gen/election.ts";
import { KV } from "../../src/api/gen/methods.ts";
import { EventType } from "../../src/api/gen/mvcc.ts";
import { keep } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { failWith } from "./answer.ts";
import {
  contendersPrefix,
  firstCreated,
  sessionOf,
  watchOf,
  watchUntil,
  type Session,
} from "./contender.ts";
import type { LocalCalls } from "./local-call.ts";

/** Of what may wait for a slow client before its watch is held back. */
const QUEUED_BYTES_MAX = 256 * 1024;

export function openObserve(local: LocalCalls, call: ServerCall): StreamReceiver {
  return new ObserveCall(sessionOf(local, call), call);
}

class ObserveCall implements StreamReceiver {
  readonly #session: Session;
  readonly #call: ServerCall;
  readonly #abort = new AbortController();
  #started = false;
  /** What the client has yet to take before more is asked for. */
  #held: (() => void)[] = [];

  constructor(session: Session, call: ServerCall) {
    this.#session = session;
    this.#call = call;
  }

  onMessage(message: Uint8Array): void {
    if (this.#started) return;
    this.#started = true;
    try {
      const { name } = decodeLeaderRequest(keep(message));
      this.#run(contendersPrefix(name)).catch((error: unknown) => {
        // Not as etcd, which ends the stream as if all were well.
        this.#call.end(Status.unknown, QuorateError.from(error).message);
      });
    } catch (error) {
      failWith(this.#call, error);
    }
  }

  onHalfClose(): void {
    // The one request has been made.
  }

  onClose(): void {
    this.#abort.abort();
  }

  async #run(prefix: Uint8Array): Promise<never> {
    const { local, caller } = this.#session;
    for (;;) {
      const { header, kvs } = await local.unary(
        caller,
        KV.range,
        firstCreated(prefix),
        this.#abort.signal,
      );
      const [kv = null] = kvs;
      const leader =
        kv === null ? await this.#awaitLeader(prefix, header?.revision ?? 0) : { header, kv };
      this.#call.send(encodeLeaderResponse(leader));
      await this.#follow(leader);
    }
  }

  /** The first put from `revision` on. */
  async #awaitLeader(prefix: Uint8Array, revision: number): Promise<LeaderResponse> {
    let found: LeaderResponse = { header: null, kv: null };
    const watch = watchOf(prefix, revision);
    await watchUntil(this.#session, watch, this.#abort.signal, ({ header, events }, taken) => {
      taken();
      const put = events.find(({ type }) => type === EventType.put);
      if (header === null || put?.kv === undefined || put.kv === null) return false;
      // The response may hold later revisions: what this client knows ends with this put.
      found = { header: { ...header, revision: put.kv.modRevision }, kv: put.kv };
      return true;
    });
    return found;
  }

  /** Passes on what the leader proclaims, until its key is gone. */
  async #follow({ header, kv }: LeaderResponse): Promise<void> {
    if (kv === null) return;
    const watch = { key: kv.key, startRevision: (header?.revision ?? 0) + 1 };
    await watchUntil(this.#session, watch, this.#abort.signal, (response, taken) => {
      this.#release(taken);
      for (const event of response.events) {
        if (event.type === EventType.delete) return true;
        this.#call.send(encodeLeaderResponse({ header: response.header, kv: event.kv }));
      }
      return false;
    });
  }

  /** Lets the watch go on once the client has taken what waits for it. */
  #release(taken: () => void): void {
    this.#held.push(taken);
    if (this.#held.length > 1) return;
    this.#call.onDrained(QUEUED_BYTES_MAX, () => {
      const held = this.#held;
      this.#held = [];
      for (const release of held) release();
    });
  }
}
