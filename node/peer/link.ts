/**
 * The sending half of one peer link: one stream for as long as it lives, all messages of a turn in one of its messages. What
 * cannot be sent is dropped and reported: Raft sends again what still matters.
 */
import { encodePeerMessages, decodePeerMessages } from "../../src/api/gen/peer.ts";
import type { Handshake, PeerMessages, RaftMessage } from "../../src/api/gen/peer.ts";
import { Peer } from "../../src/api/gen/methods.ts";
import { DecodeError } from "../../src/api/reader.ts";
import type { Logger } from "../../src/base/ports.ts";
import { ClientStream } from "../../src/grpc/client-stream.ts";
import type { Message } from "../../src/raft/message.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { toWire } from "./codec.ts";
import { arePeerUrls, type PeerConnector, RETRY_FIRST_MS, RETRY_MAX_MS } from "./dialer.ts";
import { exponentialBounds, HandHistogram } from "../histogram.ts";
import { REMOVED_REFUSAL } from "./handshake.ts";

export interface LinkEvents {
  /** Messages were lost, or may have been. */
  onUnreachable(peer: MemberId): void;
  /** The peer has applied the removal of this member. */
  onRefused(peer: MemberId): void;
}

/** Beyond so much unsent the peer counts as unreachable. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;
/** The peer answers each probe, one a second, before all else: one that is silent for so long is not there. */
const SILENCE_MS_MAX = 4_000;

export class Link {
  readonly peer: MemberId;
  readonly #greet: () => Handshake;
  readonly #connect: PeerConnector;
  readonly #events: LinkEvents;
  readonly #logger: Logger;
  /** Where the membership, as this member knows it, has the peer. */
  #peerUrls: readonly string[];
  /** Where the peer itself says that it is, if that is somewhere else. */
  #heardUrls: readonly string[] = [];
  /** The stream goes, or would go, to where it says. */
  #elsewhere = false;
  #stream: ClientStream | null = null;
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

  /** `greet` says who and where this member is. */
  constructor(
    greet: () => Handshake,
    peer: MemberId,
    peerUrls: readonly string[],
    connect: PeerConnector,
    events: LinkEvents,
    logger: Logger,
  ) {
    this.#connect = connect;
    this.#peerUrls = peerUrls;
    this.#greet = greet;
    this.peer = peer;
    this.#events = events;
    this.#logger = logger;
    this.#open();
  }

  get isActive(): boolean {
    return this.#connected;
  }

  /** Why the peer does not take the link; empty: it does, or has not said. */
  get refusal(): string {
    return this.#refusal;
  }

  /** Bytes that the peer's socket has not taken yet. */
  get queuedBytes(): number {
    return this.#stream?.queuedBytes ?? 0;
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
    if (stream === null || stream.queuedBytes > QUEUED_BYTES_MAX) {
      this.#lost();
      return;
    }
    const bytes = encodePeerMessages({ handshake: null, messages });
    this.bytesSent += bytes.length;
    stream.send(bytes);
    stream.flush();
  }

  /** Asks the peer for an answer, to know how far it is, and whether it is there: about once a second. */
  probe(): void {
    const stream = this.#stream;
    if (stream === null) return;
    const nowMs = performance.now();
    if (stream.isAttached && nowMs - stream.heardAtMs > SILENCE_MS_MAX) {
      stream.fail("the peer is silent");
    } else if (!this.#down) this.#ask(stream);
  }

  #ask(stream: ClientStream): void {
    this.#askedAtMs = performance.now();
    stream.send(encodePeerMessages({ handshake: this.#greet(), messages: [] }));
    stream.flush();
  }

  /** The member moved, as the membership says. */
  redirect(peerUrls: readonly string[]): void {
    const there = this.#connected && this.#elsewhere && areSame(peerUrls, this.#heardUrls);
    this.#heardUrls = [];
    this.#elsewhere = false;
    if (there) {
      this.#peerUrls = peerUrls;
      return;
    }
    this.#connected = false;
    this.#stream?.close();
    this.#stream = null;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#peerUrls = peerUrls;
    this.#open();
  }

  /**
   * The peer has opened a stream to this member, so it is there: whoever waits to try again need not wait any longer. `urls` is
   * where it says that it is. The membership may have it elsewhere, rightly or not: the two are tried in turn.
   */
  onHeard(urls: readonly string[]): void {
    this.#heardUrls = arePeerUrls(urls) && !areSame(urls, this.#peerUrls) ? urls : [];
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#retryMs = RETRY_FIRST_MS;
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
    this.#stream?.close();
    this.#stream = null;
  }

  #open(): void {
    if (this.#closed) return;
    this.#retry = null;
    this.#elsewhere = !this.#elsewhere && this.#heardUrls.length > 0;
    const urls = this.#elsewhere ? this.#heardUrls : this.#peerUrls;
    const url = new URL(urls[0] ?? "");
    const scheme = url.protocol === "https:" ? "https" : "http";
    const stream: ClientStream = new ClientStream(
      { scheme, authority: url.host, path: Peer.stream.path },
      {
        onMessage: (message) => this.#onMessage(stream, message),
        onEnd: (reason) => this.#onEnd(stream, reason),
      },
    );
    this.#stream = stream;
    this.#ask(stream);
    this.#connect(urls).then(
      (socket) => stream.attach(socket),
      (error: Error) => {
        if (stream === this.#stream) this.#refusal = ""; // who is not there refuses nobody
        stream.fail(error.message);
      },
    );
  }

  #onMessage(stream: ClientStream, message: Uint8Array): void {
    if (stream !== this.#stream) return;
    try {
      this.#onAnswer(decodePeerMessages(message));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      stream.fail(error.message);
    }
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

  #onEnd(stream: ClientStream, reason: string): void {
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

function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a.join(",") === b.join(",");
}
