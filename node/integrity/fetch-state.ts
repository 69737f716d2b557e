/** Asks a peer for its state, into a fresh store beside the one in use. */
import { rm } from "node:fs/promises";
import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { encodeRebuildRequest, rebuildRequest } from "../../src/api/gen/peer.ts";
import type { SnapshotHeader } from "../../src/api/gen/peer.ts";
import { Peer } from "../../src/api/gen/methods.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { LevelBackend } from "../../src/backend/level.ts";
import { deferred, type Deferred } from "../../src/base/deferred.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/ports.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { DataDir, Identity } from "../data-dir.ts";
import { grpcJs } from "../peer/grpc-js.ts";
import { makeHandshake, refusalOf } from "../peer/handshake.ts";
import { SnapshotReceiver, type SnapshotTarget } from "../peer/snapshot-receiver.ts";

export interface StateWish {
  readonly from: MemberId;
  /** It must hold all that this member may have acknowledged. */
  readonly fence: boolean;
  /** It must reach at least to this entry. */
  readonly least: number;
}

export interface FetchParts {
  readonly identity: Identity;
  readonly dataDir: DataDir;
  readonly logger: Logger;
}

/**
 * The directory of a store that holds the peer's state, durable and closed; its content is checked by whoever opens it.
 * Rejects where the peer refuses, breaks off or sends something damaged: then nothing of it is left.
 */
export async function fetchState(
  parts: FetchParts,
  client: Client,
  wish: StateWish,
): Promise<string> {
  const target = new FetchTarget(parts, wish);
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    Peer.rebuild.path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    new (grpcJs().Metadata)(),
  );
  const receiver = new SnapshotReceiver(
    {
      reply: (reply) => stream.write(Buffer.from(encodeRebuildRequest(rebuildRequest({ reply })))),
      end: () => stream.end(),
    },
    target,
    parts.logger,
  );
  stream.on("data", (bytes: Buffer) => receiver.onMessage(bytes));
  stream.on("error", (error: Error) => target.fail(error));
  stream.on("close", () => {
    target.fail(new Error("the peer ended the stream"));
    receiver.onClose();
  });
  const handshake = makeHandshake(parts.identity, wish.from);
  const { fence, least } = wish;
  stream.write(Buffer.from(encodeRebuildRequest(rebuildRequest({ handshake, fence, least }))));
  try {
    return await target.done.promise;
  } catch (error) {
    stream.cancel();
    receiver.onClose();
    await receiver.settled();
    throw error;
  }
}

class FetchTarget implements SnapshotTarget {
  readonly done: Deferred<string> = deferred<string>();
  readonly #parts: FetchParts;
  readonly #wish: StateWish;

  constructor(parts: FetchParts, wish: StateWish) {
    this.#parts = parts;
    this.#wish = wish;
    this.done.promise.catch(() => {});
  }

  fail(error: Error): void {
    this.done.reject(error);
  }

  refusal(header: SnapshotHeader): string {
    const { handshake, mark } = header;
    if (handshake === null || mark === null) return "the offer is incomplete";
    const refused = refusalOf(this.#parts.identity, handshake, () => false);
    if (refused !== "") return refused;
    return mark.index < this.#wish.least ? "the state does not reach this member's log" : "";
  }

  async open(): Promise<{ readonly backend: Backend; readonly path: string }> {
    const path = this.#parts.dataDir.incomingPath();
    return { path, backend: await LevelBackend.open(path) };
  }

  async complete(_header: SnapshotHeader, path: string, backend: Backend): Promise<void> {
    await backend.close();
    this.done.resolve(path);
  }

  async abandon(path: string, backend: Backend): Promise<void> {
    this.fail(new QuorateError("unavailable", "the transfer broke off"));
    await backend.close();
    await rm(path, { recursive: true, force: true });
  }
}
