/**
 * The sending half of one peer link: one stream for as long as it lives, all messages of a turn in one of its messages. What
 * cannot be sent is dropped and reported: Raft sends again what still matters.
 */
import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { encodePeerMessages, decodePeerMessages } from "../../src/api/gen/peer.ts";
import type { PeerMessages, RaftMessage } from "../../src/api/gen/peer.ts";
import { Peer } from "../../src/api/gen/methods.ts";
import type { Logger } from "../../src/base/ports.ts";
import type { Message } from "../../src/raft/message.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Identity } from "../data-dir.ts";
import { toWire } from "./codec.ts";
import { type PeerDialer, RETRY_FIRST_MS, RETRY_MAX_MS } from "./dialer.ts";
import { exponentialBounds, HandHistogram } from "../histogram.ts";
import { makeHandshake, REMOVED_REFUSAL } from "./handshake.ts";

export interface LinkEvents {
  /** Messages were lost, or may have been. */
  onUnreachable(peer: MemberId): void;
  /** The peer has applied the removal of this member. */
  onRefused(peer: MemberId): void;
}

/** Beyond so much unsent the peer counts as unreachable. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;

export class Link {
  readonly peer: MemberId;
  readonly #self: Identity;
  readonly #dial: PeerDialer;
  readonly #events: LinkEvents;
  readonly #logger: Logger;
  #client: Client;
  #stream: ClientDuplexStream<Buffer, PeerMessages> | null = null;
  #retryMs = RETRY_FIRST_MS;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;
  #down = false;
  /** The last one, until the peer takes the link again. */
  #refusal = "";
  /** The peer was removed: called when the link to it is closed. */
  #retired: (() => void) | null = null;
  /** Of this turn, not yet written. */
  #pending: RaftMessage[] = [];
  bytesSent = 0;
  failures = 0;
  /** How often the peer was there and then was not. */
  disconnects = 0;
  /** The peer has taken the link. */
  #connected = false;
  /** Seconds from a question to its answer, which a peer gives before all else: the handshake, and the probes after it. */
  readonly roundTrips: HandHistogram = new HandHistogram(exponentialBounds(0.0001, 2, 16));
  #askedAtMs = 0;

  constructor(
    self: Identity,
    peer: MemberId,
    peerUrls: readonly string[],
    dial: PeerDialer,
    events: LinkEvents,
    logger: Logger,
  ) {
    this.#dial = dial;
    this.#self = self;
    this.peer = peer;
    this.#events = events;
    this.#logger = logger;
    this.#client = this.#dial(peerUrls);
    this.#open();
  }

  get isActive(): boolean {
    return this.#connected;
  }

  /** Bytes that the peer's socket has not taken yet. */
  get queuedBytes(): number {
    return this.#stream?.writableLength ?? 0;
  }

  /** Queues until the end of the turn. */
  send(message: Message): void {
    if (this.#stream === null) {
      this.#lost();
      return;
    }
    this.#pending.push(toWire(message));
  }

  /** Writes what the turn queued. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const stream = this.#stream;
    const messages = this.#pending;
    this.#pending = [];
    if (stream === null || stream.writableLength > QUEUED_BYTES_MAX) {
      this.#lost();
      return;
    }
    const bytes = Buffer.from(encodePeerMessages({ handshake: null, messages }));
    this.bytesSent += bytes.length;
    stream.write(bytes);
  }

  /** Asks the peer for an answer, to know how far it is: about once a second. */
  probe(): void {
    if (this.#stream === null || this.#down) return;
    this.#askedAtMs = performance.now();
    const again = { handshake: makeHandshake(this.#self, this.peer), messages: [] };
    this.#stream.write(Buffer.from(encodePeerMessages(again)));
  }

  /** The member moved. */
  redirect(peerUrls: readonly string[]): void {
    const old = this.#client;
    this.#connected = false;
    this.#stream?.cancel();
    this.#stream = null;
    old.close();
    this.#client = this.#dial(peerUrls);
    this.#open();
  }

  /** The peer was removed: what is said by now still reaches it. Closes when the peer does, or after `graceMs`. */
  retire(graceMs: number, onClosed: () => void): void {
    if (this.#retired !== null) return;
    this.#retired = onClosed;
    if (this.#stream === null) this.close();
    else setTimeout(() => this.close(), graceMs).unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retired?.();
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#stream?.cancel();
    this.#stream = null;
    this.#client.close();
  }

  #open(): void {
    if (this.#closed) return;
    this.#retry = null;
    const stream = this.#client.makeBidiStreamRequest(
      Peer.stream.path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => decodePeerMessages(bytes),
    );
    this.#stream = stream;
    this.#askedAtMs = performance.now();
    const bytes = encodePeerMessages({
      handshake: makeHandshake(this.#self, this.peer),
      messages: [],
    });
    stream.write(Buffer.from(bytes));
    stream.on("data", (answer: PeerMessages) => this.#onAnswer(answer));
    stream.on("error", (error: Error) => this.#onEnd(stream, error.message));
    stream.on("end", () => this.#onEnd(stream, "the peer ended the stream"));
  }

  #onAnswer(answer: PeerMessages): void {
    this.roundTrips.observe((performance.now() - this.#askedAtMs) / 1000);
    const refusal = answer.handshake?.refusal ?? "";
    if (refusal === "") {
      this.#connected = true;
      if (this.#down) this.#logger.info({ peer: this.peer }, "peer is reachable again");
      this.#down = false;
      this.#refusal = "";
      this.#retryMs = RETRY_FIRST_MS;
      return;
    }
    if (refusal !== this.#refusal)
      this.#logger.warn({ peer: this.peer, refusal }, "peer refuses the link");
    this.#refusal = refusal;
    if (refusal === REMOVED_REFUSAL) this.#events.onRefused(this.peer);
  }

  #onEnd(stream: ClientDuplexStream<Buffer, PeerMessages>, reason: string): void {
    if (stream !== this.#stream || this.#closed) return;
    this.#stream = null;
    if (this.#connected) this.disconnects++;
    this.#connected = false;
    if (this.#retired !== null) {
      this.close();
      return;
    }
    if (!this.#down) this.#logger.warn({ peer: this.peer, reason }, "peer is unreachable");
    this.#down = true;
    this.#lost();
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }

  #lost(): void {
    this.failures++;
    this.#pending = [];
    this.#events.onUnreachable(this.peer);
  }
}
