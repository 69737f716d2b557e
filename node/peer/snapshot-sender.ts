/** Sends this member's state to one peer, at the pace at which the peer makes it durable. */
import { createHash, type Hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { Peer } from "../../src/api/gen/methods.ts";
import { decodeSnapshotReply, encodeSnapshotChunk, snapshotChunk } from "../../src/api/gen/peer.ts";
import type { SnapshotChunk, SnapshotHeader, SnapshotReply } from "../../src/api/gen/peer.ts";
import type { BackendIterator, BackendView } from "../../src/backend/backend.ts";
import { deferred } from "../../src/base/deferred.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { packRows } from "./snapshot-format.ts";

const CHUNK_ROWS = 2_000;
const CHUNK_BYTES = 128 * 1024;
/** Sent and not yet durable over there. */
const IN_FLIGHT_BYTES_MAX = 4 * 1024 * 1024;

/** What carries the chunks of one state: a stream that this member opened, or one that the peer did. */
export interface SnapshotPipe {
  /** Owned by the pipe from now on. */
  write(chunk: Buffer): void;
  /** Whatever is left of the stream ends. */
  cancel(): void;
}

/** Streams `view`; resolves with the bytes sent once the peer has it durable, rejects otherwise. Leaves the view open. */
export async function sendSnapshot(
  client: Client,
  header: SnapshotHeader,
  view: BackendView,
  signal: AbortSignal,
): Promise<number> {
  const stream: ClientDuplexStream<Buffer, SnapshotReply> = client.makeBidiStreamRequest(
    Peer.snapshot.path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => decodeSnapshotReply(bytes),
  );
  const pipe = { write: (chunk: Buffer) => stream.write(chunk), cancel: () => stream.cancel() };
  const sender = new SnapshotSender(pipe, header);
  stream.on("data", (reply: SnapshotReply) => sender.onReply(reply));
  stream.on("error", (error: Error) => sender.fail(error));
  stream.on("end", () => sender.fail(new Error("the peer ended the stream")));
  const onAbort = (): void => sender.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  const rows = view.iterate(Buffer.alloc(0), null);
  try {
    return await sender.run(rows);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await rows.close();
    sender.cancel();
  }
}

export class SnapshotSender {
  readonly #pipe: SnapshotPipe;
  readonly #header: SnapshotHeader;
  readonly #hash: Hash = createHash("sha256");
  #offset = 0;
  #acknowledged = 0;
  #failure: Error | null = null;
  #complete = false;
  #progress = deferred<void>();

  constructor(pipe: SnapshotPipe, header: SnapshotHeader) {
    this.#header = header;
    this.#pipe = pipe;
  }

  cancel(): void {
    this.#pipe.cancel();
  }

  /** Resolves with the bytes sent once the peer has all of them durable. */
  async run(rows: BackendIterator): Promise<number> {
    this.#send(snapshotChunk({ header: this.#header }));
    for (;;) {
      const began = performance.now();
      const slice = await rows.next(CHUNK_ROWS, CHUNK_BYTES);
      if (slice.length === 0) break;
      const data = packRows(slice);
      this.#hash.update(data);
      this.#send(snapshotChunk({ offset: this.#offset, data, checksum: crc32(data) }));
      this.#offset += data.length;
      // Half of the time belongs to the clients: a peer that is behind must not slow down everybody.
      await sleep(performance.now() - began);
      await this.#until(() => this.#offset - this.#acknowledged <= IN_FLIGHT_BYTES_MAX);
    }
    this.#send(snapshotChunk({ offset: this.#offset, last: true, digest: this.#hash.digest() }));
    await this.#until(() => this.#complete);
    return this.#offset;
  }

  #send(chunk: SnapshotChunk): void {
    this.#pipe.write(Buffer.from(encodeSnapshotChunk(chunk)));
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#failure !== null) throw this.#failure;
      await this.#progress.promise;
    }
    if (this.#failure !== null && !this.#complete) throw this.#failure;
  }

  onReply(reply: SnapshotReply): void {
    if (reply.refusal !== "") {
      this.fail(new QuorateError("unavailable", `the peer refuses the state: ${reply.refusal}`));
      return;
    }
    this.#acknowledged = Math.max(this.#acknowledged, reply.offset);
    this.#complete ||= reply.complete;
    this.#wake();
  }

  /** The stream broke, or the peer ended it. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    const progress = this.#progress;
    this.#progress = deferred<void>();
    progress.resolve();
  }
}
