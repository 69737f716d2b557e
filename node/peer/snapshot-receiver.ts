/** Takes a peer's state into a fresh store; the member adopts it once it is durable, complete and opened. */
import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { equalBytes, keep } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/ports.ts";
import { decodeSnapshotChunk, encodeSnapshotReply } from "../../src/api/gen/peer.ts";
import type { SnapshotChunk, SnapshotHeader, SnapshotReply } from "../../src/api/gen/peer.ts";
import type { Backend, BackendOperation } from "../../src/backend/backend.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { RowUnpacker, SNAPSHOT_FORMAT } from "./snapshot-format.ts";

/** What a receiver asks of its member. */
export interface SnapshotTarget {
  /** Why the offer is refused; empty if it is not. */
  refusal(header: SnapshotHeader): string;
  /** An empty store for the incoming state. */
  open(header: SnapshotHeader): Promise<{ readonly backend: Backend; readonly path: string }>;
  /** The store is complete and durable: from now on it is the member's business. Rejects where it cannot be used. */
  complete(header: SnapshotHeader, path: string, backend: Backend): Promise<void>;
  /** The store will not be completed. */
  abandon(path: string, backend: Backend): Promise<void>;
}

/** Where the answers to the chunks of one state go. */
export interface SnapshotAnswers {
  reply(reply: SnapshotReply): void;
  /** Nothing more is expected. */
  end(): void;
}

const ACKNOWLEDGE_BYTES = 512 * 1024;

/** The answers on a stream that the peer opened. */
export function answersOf(call: ServerCall): SnapshotAnswers {
  return {
    reply: (reply) => call.send(encodeSnapshotReply(reply)),
    end: () => call.end(Status.ok, ""),
  };
}

/** One stream of one peer. */
export class SnapshotReceiver implements StreamReceiver {
  readonly #answers: SnapshotAnswers;
  readonly #target: SnapshotTarget;
  readonly #logger: Logger;
  readonly #unpacker = new RowUnpacker();
  readonly #hash: Hash = createHash("sha256");
  #header: SnapshotHeader | null = null;
  #store: { readonly backend: Backend; readonly path: string } | null = null;
  #offset = 0;
  #acknowledged = 0;
  /** Everything is done in the order of arrival; each step waits for the one before. */
  #work: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(answers: SnapshotAnswers, target: SnapshotTarget, logger: Logger) {
    this.#answers = answers;
    this.#target = target;
    this.#logger = logger;
  }

  onMessage(message: Uint8Array): void {
    const bytes = keep(message);
    this.#then(() => this.#take(decodeSnapshotChunk(bytes)));
  }

  onHalfClose(): void {}

  onClose(): void {
    this.#then(() => this.#abandon());
  }

  /** Resolves once nothing of what came so far is left to do. */
  async settled(): Promise<void> {
    await this.#work;
  }

  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch((error: unknown) => this.#refuse(error));
  }

  async #take(chunk: SnapshotChunk): Promise<void> {
    if (this.#ended) return;
    if (chunk.header !== null) await this.#begin(chunk.header);
    else if (chunk.last) await this.#finish(chunk);
    else await this.#append(chunk);
  }

  async #begin(header: SnapshotHeader): Promise<void> {
    if (this.#header !== null) throw new QuorateError("corruption", "a stream has one header");
    const refusal =
      header.format === SNAPSHOT_FORMAT
        ? this.#target.refusal(header)
        : `the state comes in format ${header.format}, this release reads ${SNAPSHOT_FORMAT}`;
    if (refusal !== "") throw new QuorateError("failedPrecondition", refusal);
    this.#header = header;
    this.#store = await this.#target.open(header);
    this.#logger.info({ index: header.mark?.index ?? 0 }, "receiving the state of a peer");
  }

  async #append(chunk: SnapshotChunk): Promise<void> {
    const store = this.#store;
    if (store === null) throw new QuorateError("corruption", "the header of a stream comes first");
    if (chunk.offset !== this.#offset || crc32(chunk.data) !== chunk.checksum) {
      throw new QuorateError("corruption", `the received state is damaged at byte ${this.#offset}`);
    }
    this.#hash.update(chunk.data);
    this.#offset += chunk.data.length;
    const rows: BackendOperation[] = this.#unpacker.add(chunk.data);
    if (rows.length > 0) await store.backend.commit(rows);
    if (this.#offset - this.#acknowledged >= ACKNOWLEDGE_BYTES) this.#acknowledge(false);
  }

  async #finish(chunk: SnapshotChunk): Promise<void> {
    const store = this.#store;
    const header = this.#header;
    if (store === null || header === null) throw new QuorateError("corruption", "no header came");
    if (this.#unpacker.unfinishedBytes > 0 || !equalBytes(chunk.digest, this.#hash.digest())) {
      throw new QuorateError(
        "corruption",
        "the received state does not have the digest it was sent with",
      );
    }
    await store.backend.flush();
    await this.#target.complete(header, store.path, store.backend);
    this.#store = null;
    this.#acknowledge(true);
    this.#ended = true;
    this.#answers.end();
  }

  #acknowledge(complete: boolean): void {
    this.#acknowledged = this.#offset;
    this.#answers.reply({ offset: this.#offset, complete, refusal: "" });
  }

  async #refuse(error: unknown): Promise<void> {
    const reason = QuorateError.from(error).message;
    if (!this.#ended) {
      this.#logger.warn({ reason }, "the state of a peer was not taken");
      this.#answers.reply({ offset: 0, complete: false, refusal: reason });
      this.#answers.end();
    }
    this.#ended = true;
    await this.#abandon();
  }

  async #abandon(): Promise<void> {
    this.#ended = true;
    const store = this.#store;
    this.#store = null;
    if (store !== null) await this.#target.abandon(store.path, store.backend);
  }
}
