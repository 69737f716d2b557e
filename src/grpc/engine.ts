/** What all connections of a server share: the clock, the deadlines, the counters and the end of the turn. */
import { TurnClock } from "./clock.ts";
import { DeadlineWheel } from "./deadlines.ts";
import type { CallObserver, HttpHandler, HttpStreams, Limits, Router } from "./service.ts";

/** Plain numbers, read at scrape. Gauges are `connections`, `streams` and `heldBytes`; the rest only grow. */
export interface Counters {
  bytesReceived: number;
  bytesSent: number;
  connections: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  streams: number;
  streamsOpened: number;
  /** Partial messages and header lists of open calls. */
  heldBytes: number;
  /** Connections that we ended with a GOAWAY other than NO_ERROR. */
  connectionErrors: number;
  /** Connections ended because the client did not read. */
  slowReaders: number;
}

export interface EngineOptions {
  readonly router: Router;
  /** Answers what is not gRPC; null: 404. */
  readonly http: HttpHandler | null;
  /** Is asked before `http`, where there is one. */
  readonly streams?: HttpStreams | null;
  readonly limits: Limits;
  readonly observer: CallObserver | null;
  /** Told of what a handler threw, with the path, and of faults of a listener. */
  readonly onError: (error: unknown, where: string) => void;
}

export interface Flushable {
  flush(): void;
}

/** Something told at the end of the turn, when no service is on the stack. */
export interface Deferred {
  onTurnEnd(): void;
}

/** Who may keep a client waiting for something small, in case something else leaves meanwhile. */
export interface Patient {
  /** It has waited long enough. */
  onWaited(): void;
}

/** How long it waits. */
const PATIENCE_MS = 5;
/** A callback of a callback of a callback may wait for the next turn. */
const FLUSH_ROUNDS_MAX = 4;

export class Engine {
  readonly options: EngineOptions;
  readonly limits: Limits;
  readonly clock: TurnClock = new TurnClock();
  readonly deadlines: DeadlineWheel = new DeadlineWheel(this.clock);
  readonly counters: Counters = {
    bytesReceived: 0,
    bytesSent: 0,
    connections: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    streams: 0,
    streamsOpened: 0,
    heldBytes: 0,
    connectionErrors: 0,
    slowReaders: 0,
  };
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  #deferred: Deferred[] = [];
  #patient: Patient[] = [];
  /** The end of the turn, where nobody flushes before it. */
  #immediate: NodeJS.Immediate | null = null;
  readonly #onImmediate = (): void => this.flush();

  readonly #onWaited = (): void => {
    const patient = this.#patient;
    this.#patient = [];
    for (const each of patient) each.onWaited();
  };

  constructor(options: EngineOptions) {
    this.options = options;
    this.limits = options.limits;
  }

  /** The connection has output; it marks itself once a turn. */
  markDirty(connection: Flushable): void {
    this.#dirty.push(connection);
    this.#schedule();
  }

  defer(later: Deferred): void {
    this.#deferred.push(later);
    this.#schedule();
  }

  /** Tells `patient` within a few milliseconds. */
  wait(patient: Patient): void {
    this.#patient.push(patient);
    if (this.#patient.length === 1) setTimeout(this.#onWaited, PATIENCE_MS).unref();
  }

  /** Ends the turn: everything said so far leaves, in one write a connection. */
  flush(): void {
    // One that finds nothing would cost the event loop a round.
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
    for (let round = 0; round < FLUSH_ROUNDS_MAX; round++) {
      if (this.#deferred.length > 0) this.#tellDeferred();
      const dirty = this.#dirty;
      if (dirty.length === 0) break;
      this.#dirty = this.#spare;
      for (const connection of dirty) connection.flush();
      dirty.length = 0;
      this.#spare = dirty;
    }
    this.clock.expire();
  }

  #tellDeferred(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const later of deferred) {
      try {
        later.onTurnEnd();
      } catch (error) {
        this.options.onError(error, "onClose");
      }
    }
  }

  #schedule(): void {
    this.#immediate ??= setImmediate(this.#onImmediate);
  }
}
