/** The sending side of one connection: what leaves at the end of the turn, and what must wait for window or socket. */
import type { Socket } from "node:net";
import type { PingPolicy } from "./abuse.ts";
import { Backlog } from "./backlog.ts";
import { writePing } from "./control-frames.ts";
import type { Deferred, Engine, Flushable, Patient } from "./engine.ts";
import { ConnectionError, ErrorCode, FRAME_PAYLOAD_BYTES_MAX, WINDOW_MAX } from "./frame.ts";
import { EARLY_FLUSH_BYTES, QUEUE_LEEWAY, SOCKET_QUEUE_BYTES } from "./limits.ts";
import { OutputBuffer } from "./output.ts";
import type { Stream, StreamHost } from "./stream.ts";

export interface OutletOwner {
  onFinished(stream: Stream, reset: ErrorCode | null): void;
  /** More waits for this client than it takes: see `Outlet.sweep`. */
  onSlowReader(): void;
}

/** Bytes that one of several waiting streams may write before the next has its turn. */
const QUANTUM_BYTES = 65_536;
/** WINDOW_UPDATEs that may be saved up by frames sent. */
const UPDATE_CREDIT_MAX = 1_000_000;

export class Outlet implements StreamHost, Flushable, Patient, Deferred {
  /** What waits of unary replies. */
  readonly replies: Backlog = new Backlog();
  readonly messages: Backlog = new Backlog();
  readonly output: OutputBuffer = new OutputBuffer();
  sendWindow = 65_535;
  frameBytesMax: number = FRAME_PAYLOAD_BYTES_MAX;
  congested = false;
  /** Frames sent that a WINDOW_UPDATE may answer: one without is to no effect. */
  updateCredit = 0;
  readonly #engine: Engine;
  readonly #socket: Socket;
  readonly #owner: OutletOwner;
  readonly #pings: PingPolicy;
  readonly #blocked: Set<Stream> = new Set();
  #dirty = false;
  /** The payload of a PING to be answered; null if there is none. */
  #pong: Buffer | null = null;
  /** The engine knows that something waits here. */
  #waits = false;
  /** The engine knows that a backlog is to be settled. */
  #settles = false;
  /** Given to the socket since the beginning, and how much of it the client had taken, when that last changed. */
  #pushedBytes = 0;
  #takenBytes = 0;
  #takenAtMs: number;
  #closed = false;
  #endAfterFlush = false;

  constructor(engine: Engine, socket: Socket, owner: OutletOwner, pings: PingPolicy) {
    this.#engine = engine;
    this.#socket = socket;
    this.#owner = owner;
    this.#pings = pings;
    this.#takenAtMs = engine.clock.now();
    socket.on("drain", () => {
      this.congested = false;
      this.touch();
    });
  }

  /** Something was written into `output` or may be: it leaves at the end of the turn. */
  touch(): void {
    if (this.#dirty || this.#closed) return;
    this.#dirty = true;
    this.#engine.markDirty(this);
  }

  /** Whether a PING waits for its answer. */
  get owesPong(): boolean {
    return this.#pong !== null;
  }

  /** Answers a PING, payload at `from`, with whatever leaves next, and behind it: see `settlePong`. */
  answerPing(bytes: Buffer, from: number): void {
    this.#writePong();
    this.#pong = Buffer.from(bytes.subarray(from, from + 8));
  }

  /**
   * The answer leaves at the end of the turn, or, where a reply `isDue`, with that, for a few milliseconds: grpc-go measures
   * with a PING a call, and a write of its own would cost both sides as much as the call's.
   */
  settlePong(isDue: boolean): void {
    if (!isDue) this.touch();
    else if (!this.#waits) {
      this.#waits = true;
      this.#engine.wait(this);
    }
  }

  onWaited(): void {
    this.#waits = false;
    if (this.#pong !== null) this.touch();
  }

  #writePong(): void {
    if (this.#pong === null) return;
    writePing(this.output, true, this.#pong, 0);
    this.#pong = null;
  }

  flush(): void {
    this.#dirty = false;
    if (this.#closed) return;
    if (this.#blocked.size > 0) this.pump();
    this.#writePong();
    this.#push();
    const { connectionQueueBytesMax } = this.#engine.limits;
    if (this.#waiting() > QUEUE_LEEWAY * connectionQueueBytesMax) this.#owner.onSlowReader();
    else if (this.#endAfterFlush) this.#socket.end();
  }

  /** After the next flush nothing follows. */
  endAfterFlush(): void {
    this.#endAfterFlush = true;
    this.touch();
  }

  /** The socket is gone. */
  close(): void {
    this.#closed = true;
    this.#blocked.clear();
    this.replies.clear();
    this.messages.clear();
    this.output.discard();
  }

  /** The connection's window grows. */
  widen(increment: number): void {
    if (this.sendWindow + increment > WINDOW_MAX) {
      throw new ConnectionError(ErrorCode.flowControlError, "a connection window over 2^31-1");
    }
    this.sendWindow += increment;
    if (this.#blocked.size > 0) this.touch();
  }

  /** Lets the waiting streams write in turn, a quantum each, until nothing moves. */
  pump(): void {
    let moved = true;
    while (moved && this.#blocked.size > 0 && !this.congested) {
      moved = false;
      for (const stream of this.#blocked) {
        const before = this.sendWindow;
        const done = stream.gone || stream.resume(QUANTUM_BYTES);
        if (done) this.#blocked.delete(stream);
        if (done || this.sendWindow < before) moved = true;
      }
    }
  }

  onWrote(): void {
    if (!this.#dirty) this.touch();
    this.#pings.excuse();
    if (this.updateCredit < UPDATE_CREDIT_MAX) this.updateCredit++;
    if (this.output.size > EARLY_FLUSH_BYTES) this.#push();
  }

  onBlocked(stream: Stream): void {
    this.#blocked.add(stream);
  }

  onQueued(bytes: number): void {
    // Judged at the end of the turn, when no service is on the stack.
    if (bytes > 0) this.touch();
    else if (!this.#settles && (this.replies.isDue || this.messages.isDue)) {
      this.#settles = true;
      this.#engine.defer(this);
    }
  }

  /** A backlog has become shorter. */
  onTurnEnd(): void {
    this.#settles = false;
    if (this.#closed) return;
    this.replies.settle();
    this.messages.settle();
  }

  /**
   * About once a second. Ends the connection of a client that leaves more than `connectionQueueBytesMax` waiting and has taken
   * nothing for as long as it may leave a ping unanswered: one that reads, however slowly, is no reason.
   */
  sweep(nowMs: number): void {
    const { connectionQueueBytesMax, keepaliveTimeoutMs } = this.#engine.limits;
    const taken = this.#pushedBytes - this.#socket.writableLength;
    if (taken !== this.#takenBytes || this.#waiting() <= connectionQueueBytesMax) {
      this.#takenBytes = taken;
      this.#takenAtMs = nowMs;
    } else if (nowMs - this.#takenAtMs >= keepaliveTimeoutMs) this.#owner.onSlowReader();
  }

  onFinished(stream: Stream, reset: ErrorCode | null): void {
    this.#owner.onFinished(stream, reset);
  }

  #waiting(): number {
    return (
      this.replies.bytes + this.messages.bytes + this.output.size + this.#socket.writableLength
    );
  }

  #push(): void {
    if (this.#closed) return;
    const bytes = this.output.flushTo(this.#socket);
    this.#pushedBytes += bytes;
    this.#engine.counters.bytesSent += bytes;
    this.congested = this.#socket.writableLength > SOCKET_QUEUE_BYTES;
  }
}
