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

/** Streams `view`; resolves with the bytes sent once the peer has it durable, rejects otherwise. Leaves the view open. */
export async function sendSnapshot(
  client: Client,
  header: SnapshotHeader,
  view: BackendView,
  signal: AbortSignal,
): Promise<number> {
  const sender = new Sender(client, header);
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

class Sender {
  readonly #stream: ClientDuplexStream<Buffer, SnapshotReply>;
  readonly #header: SnapshotHeader;
  readonly #hash: Hash = createHash("sha256");
  #offset = 0;
  #acknowledged = 0;
  #failure: Error | null = null;
  #complete = false;
  #progress = deferred<void>();

  constructor(client: Client, header: SnapshotHeader) {
    this.#header = header;
    this.#stream = client.makeBidiStreamRequest(
      Peer.snapshot.path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => decodeSnapshotReply(bytes),
    );
    this.#stream.on("data", (reply: SnapshotReply) => this.#onReply(reply));
    this.#stream.on("error", (error: Error) => this.#fail(error));
    this.#stream.on("end", () => this.#fail(new Error("the peer ended the stream")));
  }

  cancel(): void {
    this.#stream.cancel();
  }

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
    this.#stream.write(Buffer.from(encodeSnapshotChunk(chunk)));
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#failure !== null) throw this.#failure;
      await this.#progress.promise;
    }
    if (this.#failure !== null && !this.#complete) throw this.#failure;
  }

  #onReply(reply: SnapshotReply): void {
    if (reply.refusal !== "") {
      this.#fail(new QuorateError("unavailable", `the peer refuses the state: ${reply.refusal}`));
      return;
    }
    this.#acknowledged = Math.max(this.#acknowledged, reply.offset);
    this.#complete ||= reply.complete;
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    const progress = this.#progress;
    this.#progress = deferred<void>();
    progress.resolve();
  }
}
