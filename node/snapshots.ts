/** States that go to peers, and those that come from them. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { snapshotHeader } from "../src/api/gen/peer.ts";
import type { SnapshotHeader } from "../src/api/gen/peer.ts";
import type { Backend } from "../src/backend/backend.ts";
import { LevelBackend } from "../src/backend/level.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/ports.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { SnapshotMessage } from "../src/raft/message.ts";
import type { Index, MemberId, Membership, SnapshotMark, Term } from "../src/raft/types.ts";
import type { DataDir, Identity } from "./data-dir.ts";
import type { Loop } from "./loop.ts";
import type { MemberStats } from "./metrics/stats.ts";
import type { PeerCalls } from "./peer/calls.ts";
import { makeHandshake, refusalOf } from "./peer/handshake.ts";
import { SNAPSHOT_FORMAT } from "./peer/snapshot-format.ts";
import type { SnapshotTarget } from "./peer/snapshot-receiver.ts";
import { sendSnapshot } from "./peer/snapshot-sender.ts";

export interface SnapshotsHost {
  readonly identity: Identity;
  readonly logger: Logger;
  readonly stats: MemberStats;
  readonly dataDir: DataDir;
  readonly loop: Loop;
  readonly machine: Machine;
  readonly peers: PeerCalls;
  openMachine(backend: Backend): Promise<Machine>;
}

/** A received state, opened and ready to take over. */
export interface Candidate {
  readonly path: string;
  readonly machine: Machine;
}

export class Snapshots implements SnapshotTarget {
  readonly #host: SnapshotsHost;
  readonly #sending = new Map<MemberId, AbortController>();
  #receiving = false;
  /** Ends the count of the state that is being received. */
  #received: ((nowMs: number, ok: boolean, bytes: number) => void) | null = null;
  #candidate: Candidate | null = null;

  constructor(host: SnapshotsHost) {
    this.#host = host;
  }

  /** Streams the own state to a peer that needs entries which the log no longer has. */
  send(message: SnapshotMessage): void {
    if (this.#sending.has(message.to)) return;
    const abort = new AbortController();
    this.#sending.set(message.to, abort);
    void this.#send(message, abort.signal).finally(() => this.#sending.delete(message.to));
  }

  close(): void {
    for (const abort of this.#sending.values()) abort.abort();
  }

  /** The state that was received for `mark`; takes it out. */
  take(mark: SnapshotMark): Candidate {
    const candidate = this.#candidate;
    if (candidate === null || candidate.machine.appliedIndex !== mark.index) {
      throw new QuorateError("internal", "a state is adopted that was not received");
    }
    this.#candidate = null;
    return candidate;
  }

  refusal(header: SnapshotHeader): string {
    const { identity, machine } = this.#host;
    if (header.handshake === null || header.mark === null) return "the offer is incomplete";
    const refused = refusalOf(identity, header.handshake, (id) => machine.members.isRemoved(id));
    if (refused !== "") return refused;
    if (this.#receiving) return "another state is being received";
    return header.mark.index <= machine.appliedIndex ? "the state is older than the own one" : "";
  }

  async open(
    header: SnapshotHeader,
  ): Promise<{ readonly backend: Backend; readonly path: string }> {
    this.#receiving = true;
    const from = (header.handshake?.from ?? 0n) as MemberId;
    this.#received = this.#host.stats.received.begin(from, performance.now());
    const path = this.#host.dataDir.incomingPath();
    return { path, backend: await LevelBackend.open(path) };
  }

  async complete(header: SnapshotHeader, path: string, backend: Backend): Promise<void> {
    const { loop, identity, logger } = this.#host;
    const machine = await this.#host.openMachine(backend);
    this.#ended(true, machine.buffer.liveBytes);
    const mark: SnapshotMark = {
      index: machine.appliedIndex as Index,
      term: machine.appliedTerm as Term,
      membership: machine.membership() as Membership,
    };
    const from = (header.handshake?.from ?? 0n) as MemberId;
    this.#candidate = { path, machine };
    loop.receive({
      kind: "snapshot",
      from,
      to: identity.memberId,
      term: header.term as Term,
      mark,
    });
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#candidate === null) {
      logger.info({ index: mark.index }, "adopted the state of a peer");
      return;
    }
    this.#candidate = null;
    await machine.close();
    await rm(path, { recursive: true, force: true });
    throw new QuorateError("failedPrecondition", "the state is not needed any more");
  }

  async abandon(path: string, backend: Backend): Promise<void> {
    this.#ended(false, 0);
    await backend.close();
    await rm(path, { recursive: true, force: true });
  }

  #ended(ok: boolean, bytes: number): void {
    this.#receiving = false;
    this.#received?.(performance.now(), ok, bytes);
    this.#received = null;
  }

  async #send(message: SnapshotMessage, signal: AbortSignal): Promise<void> {
    const { identity, logger, loop, machine, peers, stats } = this.#host;
    const { to } = message;
    const began = performance.now();
    const onEnd = stats.sent.begin(to, began);
    try {
      const sealed = await machine.buffer.sealedView();
      try {
        const header = snapshotHeader({
          handshake: makeHandshake(identity, to),
          term: message.term,
          mark: { index: sealed.appliedIndex, term: sealed.term, membership: null },
          format: SNAPSHOT_FORMAT,
          streamId: randomBytes(8).readBigUInt64BE(),
        });
        logger.info({ peer: to, index: sealed.appliedIndex }, "sending the state to a peer");
        const size = await sendSnapshot(peers.clientOf(to), header, sealed.view, signal);
        logger.info({ peer: to, index: sealed.appliedIndex, size }, "a peer has the state");
        stats.snapshots.observe((performance.now() - began) / 1000);
        onEnd(performance.now(), true, size);
      } finally {
        await sealed.view.close();
      }
      loop.onSnapshotResult(to, true);
    } catch (error) {
      const reason = QuorateError.from(error).message;
      onEnd(performance.now(), false, 0);
      if (!signal.aborted) logger.warn({ peer: to, reason }, "the state did not reach a peer");
      loop.onSnapshotResult(to, false);
    }
  }
}
