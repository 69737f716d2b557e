/** Gives this member's state to a peer that lost its own: the asker opens the stream, and takes no part in Raft meanwhile. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeRebuildRequest, snapshotHeader } from "../../src/api/gen/peer.ts";
import type { RebuildRequest } from "../../src/api/gen/peer.ts";
import { API_ERRORS } from "../../src/api/catalogue.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { SealedView } from "../../src/backend/buffer.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { failWith, linearize } from "../rpc/answer.ts";
import type { Host } from "../rpc/host.ts";
import { makeHandshake, refusalOf } from "./handshake.ts";
import { SNAPSHOT_FORMAT } from "./snapshot-format.ts";
import { SnapshotSender } from "./snapshot-sender.ts";

/** How long the entries that a state must hold may take to be committed and applied here. */
const APPLY_MS_MAX = 20_000;
const POLL_MS = 20;
/** States that go out at one time: each holds a view of the store open. */
const STREAMS_MAX = 2;

/** Counts what is under way, over all streams of one member. */
export interface RebuildLoad {
  streams: number;
}

export class RebuildStream implements StreamReceiver {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #load: RebuildLoad;
  #sender: SnapshotSender | null = null;
  #asked = false;
  #closed = false;

  constructor(host: Host, call: ServerCall, load: RebuildLoad) {
    this.#host = host;
    this.#call = call;
    this.#load = load;
  }

  onMessage(message: Uint8Array): void {
    const request = decodeRebuildRequest(message);
    if (!this.#asked) {
      this.#asked = true;
      void this.#serve(request).catch((error: unknown) => failWith(this.#call, error));
    } else if (request.reply !== null) {
      this.#sender?.onReply(request.reply);
    }
  }

  onHalfClose(): void {
    this.onClose();
  }

  onClose(): void {
    this.#closed = true;
    this.#sender?.fail(new Error("the peer ended the stream"));
  }

  async #serve(request: RebuildRequest): Promise<void> {
    const { identity, machine, logger } = this.#host;
    const { handshake } = request;
    if (handshake === null) {
      throw new QuorateError("invalidArgument", "a request for a state begins with a handshake");
    }
    const refusal = refusalOf(identity, handshake, (id) => machine.members.isRemoved(id));
    if (refusal !== "") throw new QuorateError("failedPrecondition", refusal);
    if (this.#load.streams >= STREAMS_MAX) {
      throw new QuorateError("resourceExhausted", "other members are given the state already");
    }
    const peer = handshake.from as MemberId;
    this.#load.streams++;
    try {
      const sealed = await this.#viewFor(request);
      try {
        logger.info({ peer, index: sealed.appliedIndex }, "a peer rebuilds itself from this one");
        const size = await this.#send(peer, sealed);
        logger.info({ peer, index: sealed.appliedIndex, size }, "a peer has the state");
      } finally {
        await sealed.view.close();
      }
    } finally {
      this.#load.streams--;
    }
    this.#call.end(Status.ok, "");
  }

  async #viewFor({ fence, least }: RebuildRequest): Promise<SealedView> {
    const host = this.#host;
    let needed = least;
    if (fence) {
      if (!host.isLeader()) {
        throw new QuorateError(API_ERRORS.notLeader.code, API_ERRORS.notLeader.text);
      }
      // Confirmed by a quorum in which the asker has no voice; what it acknowledged is in this log by now (DESIGN.md, S2).
      await linearize(host);
      needed = Math.max(least, host.raftStatus().lastIndex);
    }
    const deadline = host.clock.now() + APPLY_MS_MAX;
    while (host.loop.applied < needed) {
      if (this.#closed || host.clock.now() > deadline) {
        throw new QuorateError("unavailable", `entry ${needed} is not applied here yet`);
      }
      await sleep(POLL_MS);
    }
    return await host.machine.buffer.sealedView();
  }

  async #send(peer: MemberId, sealed: SealedView): Promise<number> {
    const call = this.#call;
    const header = snapshotHeader({
      handshake: makeHandshake(this.#host.identity, peer),
      term: sealed.term,
      mark: { index: sealed.appliedIndex, term: sealed.term, membership: null },
      format: SNAPSHOT_FORMAT,
      streamId: randomBytes(8).readBigUInt64BE(),
    });
    const pipe = { write: (chunk: Buffer) => call.send(chunk), cancel: () => {} };
    const sender = new SnapshotSender(pipe, header);
    this.#sender = sender;
    if (this.#closed) throw new Error("the peer ended the stream");
    const rows = sealed.view.iterate(Buffer.alloc(0), null);
    try {
      return await sender.run(rows);
    } finally {
      await rows.close();
    }
  }
}
