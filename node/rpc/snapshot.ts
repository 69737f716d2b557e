/**
 * Maintenance.Snapshot and Maintenance.Hash: the whole state, as etcd's database and as a checksum of it.
 *
 * The state is read from a point in time of the store while the client takes it, not copied first: a snapshot needs neither
 * disk nor memory in proportion. That point in time keeps deleted records on disk, not compaction from going on; a client
 * that takes less than half of `QUEUED_BYTES_MAX` in `STALL_MS` is given up, and with it the point in time.
 */
import { createHash } from "node:crypto";
import {
  encodeHashResponse,
  encodeSnapshotResponse,
  snapshotResponse,
} from "../../src/api/gen/maintenance.ts";
import { crc32c } from "../../src/base/checksum.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { SealedView } from "../../src/backend/buffer.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { EtcdDatabase } from "../etcd/database.ts";
import { EtcdExport } from "../etcd/export.ts";
import { ETCD_BUCKETS, EtcdBucket, MetaKey } from "../etcd/layout.ts";
import { systemPace } from "../pace.ts";
import { CLUSTER_VERSION } from "../version.ts";
import { failWith } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";

/** One message, as etcd cuts them. */
const BLOB_BYTES = 32 * 1024;
/** What may wait for a slow client. */
const QUEUED_BYTES_MAX = 1024 * 1024;
const STALL_MS = 60_000;
/** At a time, for each listener: each holds a point in time of the store. */
const STREAMS_MAX = 8;
const TOO_MANY = "too many snapshots are being taken: try again later";
const STALLED = "the client takes the snapshot too slowly";
/** What etcd leaves out of Hash: it differs between equal members. */
const UNHASHED: ReadonlySet<string> = new Set([
  MetaKey.consistentIndex,
  MetaKey.term,
  MetaKey.storageVersion,
]);

/** What a snapshot asks of its member. */
export type SnapshotHost = Pick<Host, "machine" | "logger" | "clock" | "stats">;

/** The snapshots under way of one listener. */
export class SnapshotStreams {
  readonly stallMs: number;
  #open = 0;

  constructor(stallMs: number = STALL_MS) {
    this.stallMs = stallMs;
  }

  readonly open = (host: SnapshotHost, call: ServerCall): StreamReceiver =>
    new SnapshotCall(host, call, this);

  /** False if there are too many. */
  enter(): boolean {
    if (this.#open >= STREAMS_MAX) return false;
    this.#open++;
    return true;
  }

  leave(): void {
    this.#open--;
  }
}

class SnapshotCall implements StreamReceiver {
  readonly #host: SnapshotHost;
  readonly #call: ServerCall;
  readonly #streams: SnapshotStreams;
  #begun = false;
  /** Wakes who waits for room. */
  #wake: () => void = () => {};
  readonly #hash = createHash("sha256");
  #remaining = 0;
  /** The message being filled. */
  #blob: Buffer = Buffer.allocUnsafeSlow(BLOB_BYTES);
  #filled = 0;

  constructor(host: SnapshotHost, call: ServerCall, streams: SnapshotStreams) {
    this.#host = host;
    this.#call = call;
    this.#streams = streams;
  }

  onMessage(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#streams.enter()) void this.#run().finally(() => this.#streams.leave());
    else failWith(this.#call, new QuorateError("resourceExhausted", TOO_MANY));
  }

  onHalfClose(): void {
    if (!this.#begun) this.#call.end(Status.internal, "the request is missing");
  }

  onClose(): void {
    this.#wake();
  }

  /** Resolves when nothing is held any more; never rejects. */
  async #run(): Promise<void> {
    const { logger, clock, stats } = this.#host;
    const began = clock.now();
    try {
      const bytes = await withView(this.#host, (sealed) => this.#send(sealed));
      if (this.#call.ended) throw new QuorateError("cancelled", "the client went away");
      this.#sendBlob(this.#hash.digest());
      this.#call.end(Status.ok, "");
      stats.snapshots.observe((clock.now() - began) / 1000);
      logger.info({ bytes, ms: Math.round(clock.now() - began) }, "sent a snapshot to a client");
    } catch (error) {
      const reason = QuorateError.from(error).message;
      logger.warn({ reason, remaining: this.#remaining }, "a snapshot did not reach its client");
      failWith(this.#call, error);
    }
  }

  async #send(sealed: SealedView): Promise<number> {
    const database = await EtcdDatabase.open(await EtcdExport.open(sealed, CLUSTER_VERSION));
    this.#remaining = database.fileBytes;
    let began = performance.now();
    for await (const pieces of database.pieces()) {
      for (const piece of pieces) {
        this.#hash.update(piece);
        this.#cut(piece);
      }
      // Half of the time belongs to the other clients.
      await systemPace.sleep(performance.now() - began);
      await this.#room();
      began = performance.now();
    }
    if (this.#filled > 0) this.#sendBlob(this.#blob.subarray(0, this.#filled));
    return database.fileBytes;
  }

  #cut(piece: Buffer): void {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(this.#blob, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < BLOB_BYTES) return;
      this.#sendBlob(this.#blob);
      this.#filled = 0;
    }
  }

  #sendBlob(blob: Uint8Array): void {
    this.#remaining = Math.max(0, this.#remaining - blob.length);
    const remainingBytes = this.#remaining;
    const message = snapshotResponse({ remainingBytes, blob, version: CLUSTER_VERSION });
    this.#call.send(encodeSnapshotResponse(message));
  }

  /** Waits while the client has enough to take; rejects once it is gone, or takes hardly anything any more. */
  async #room(): Promise<void> {
    const call = this.#call;
    if (!call.ended && call.queuedBytes > QUEUED_BYTES_MAX && !(await this.#drained())) {
      throw new QuorateError("deadlineExceeded", STALLED);
    }
    if (call.ended) throw new QuorateError("cancelled", "the client went away");
  }

  /** Resolves true once half of what waits was taken, or the call has ended; false if that takes too long. */
  #drained(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#streams.stallMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#call.onDrained(QUEUED_BYTES_MAX, this.#wake);
    });
  }
}

async function withView<T>(
  host: SnapshotHost,
  use: (sealed: SealedView) => Promise<T>,
): Promise<T> {
  const sealed = await host.machine.buffer.sealedView();
  try {
    return await use(sealed);
  } finally {
    await sealed.view.close();
  }
}

/** A CRC-32C of everything in the store, as etcd would have it: for tests, since members' own names are in it. */
export function hash(host: Host, call: ServerCall): void {
  const { revision } = host.machine.store;
  const began = host.clock.now();
  withView(host, (sealed) => hashAll(sealed, call)).then(
    (of) => {
      host.stats.hashes.observe((host.clock.now() - began) / 1000);
      call.reply(encodeHashResponse({ header: headerOf(host, revision), hash: of }));
    },
    (error: unknown) => failWith(call, error),
  );
}

async function hashAll(sealed: SealedView, call: ServerCall): Promise<number> {
  const from = await EtcdExport.open(sealed, CLUSTER_VERSION);
  let crc = 0;
  for (const name of ETCD_BUCKETS) {
    crc = crc32c(Buffer.from(name), crc);
    for await (const rows of from.rows(name)) {
      if (call.ended) throw new QuorateError("cancelled", "the client went away");
      for (const [key, value] of rows) {
        if (name === EtcdBucket.meta && UNHASHED.has(key.toString())) continue;
        crc = crc32c(value, crc32c(key, crc));
      }
      await systemPace.turn();
    }
  }
  return crc;
}
