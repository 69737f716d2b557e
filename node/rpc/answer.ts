/** How calls end: with a reply that was applied, or with a text that clients know. */
import { API_ERRORS, GRPC_STATUS, undecodable, type ApiError } from "../../src/api/catalogue.ts";
import { DecodeError } from "../../src/api/reader.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { ServerCall, Status } from "../../src/grpc/service.ts";
import {
  encodeCommand,
  OWN_ORIGIN,
  type CommandField,
  type Origin,
} from "../../src/machine/command.ts";
import type { Reply } from "../../src/machine/reply.ts";
import { EntryKind } from "../../src/raft/types.ts";
import type { Proposal, ProposalFailure } from "../proposals.ts";
import type { ReadFailure, ReadWaiter } from "../reads.ts";
import type { Timeline } from "../timeline.ts";
import { writePhases, type Phases, type Trace } from "../trace.ts";
import { describeCommand } from "./describe.ts";
import type { Host } from "./host.ts";

export const PROPOSAL_ERRORS: Readonly<Record<ProposalFailure, ApiError>> = {
  tooMany: API_ERRORS.tooManyRequests,
  stopped: API_ERRORS.stopped,
  leaderChanged: API_ERRORS.leaderChanged,
  linkLost: API_ERRORS.timeoutConnectionLost,
  timedOut: API_ERRORS.timeout,
  timedOutNoLeader: API_ERRORS.timeoutLeaderFail,
  membershipPending: API_ERRORS.tooManyRequests,
};

export const READ_ERRORS: Readonly<Record<ReadFailure, ApiError>> = {
  timedOut: API_ERRORS.timeout,
  stopped: API_ERRORS.stopped,
};

export function fail(call: ServerCall, error: ApiError): void {
  call.end(GRPC_STATUS[error.code] as Status, error.text);
}

/** As something to throw. */
export function refusalError(error: ApiError): QuorateError {
  return new QuorateError(error.code, error.text);
}

/** Ends the call with whatever was thrown: a known refusal as it is, anything else as INTERNAL with its message. */
export function failWith(call: ServerCall, thrown: unknown): void {
  if (thrown instanceof DecodeError) {
    fail(call, undecodable(thrown));
    return;
  }
  const error = QuorateError.from(thrown);
  call.end(GRPC_STATUS[error.code] as Status, error.message);
}

/** A member whose history is known to be wrong tells nobody what it holds. */
export function corruptRefusal(host: Pick<Host, "machine" | "identity">): ApiError | null {
  return host.machine.alarms.isCorrupt(host.identity.memberId) ? API_ERRORS.corrupt : null;
}

/** Writes the reply of an entry that was applied, and was no error. */
export type Answer = (host: Host, call: ServerCall, reply: Reply) => void;

/** A client's write on its way through the log. */
export class ProposalCall implements Proposal, Trace {
  readonly sequence: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
  sentAtMs = -1;
  index = 0;
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #answer: Answer;

  constructor(
    host: Host,
    call: ServerCall,
    sequence: number,
    entry: { readonly kind: EntryKind; readonly data: Uint8Array },
    answer: Answer,
  ) {
    this.#host = host;
    this.#call = call;
    this.#answer = answer;
    this.sequence = sequence;
    this.kind = entry.kind;
    this.data = entry.data;
    call.trace = this;
  }

  onReply(reply: Reply): void {
    if (reply.kind === "error") fail(this.#call, reply.error);
    else this.#answer(this.#host, this.#call, reply);
  }

  onFailure(failure: ProposalFailure): void {
    fail(this.#call, PROPOSAL_ERRORS[failure]);
  }

  describe(): object {
    return describeCommand(this.data);
  }

  phases(timeline: Timeline, startMs: number, endMs: number): Phases {
    return writePhases(this, timeline, startMs, endMs);
  }
}

/**
 * Proposes `body`, a request as encoded, and answers the call when it is applied. `who` is whose permissions are looked at
 * then: null where authentication was off when the request came.
 */
export function proposeCall(
  host: Host,
  call: ServerCall,
  field: CommandField,
  body: Uint8Array,
  answer: Answer,
  who: Origin | null,
): void {
  const sequence = host.requestIds.next();
  const data = encodeCommand(host.requestIds.prefix, sequence, field, body, who);
  if (data.length > host.config.maxRequestBytes) {
    fail(call, API_ERRORS.requestTooLarge);
    return;
  }
  if (
    host.loop.applyBacklog > APPLY_BACKLOG_MAX ||
    host.machine.buffer.pendingBytes >= host.config.storeBufferBytes
  ) {
    fail(call, API_ERRORS.tooManyRequests);
    return;
  }
  const entry = { kind: EntryKind.normal, data };
  host.loop.propose(new ProposalCall(host, call, sequence, entry, answer));
}

/** Committed entries that may wait for apply: beyond it new proposals are refused, as etcd does. */
const APPLY_BACKLOG_MAX = 5_000;

/** Proposes for the member itself; resolves with the reply, rejects where there is none. */
export function proposeOwn(
  host: Pick<Host, "requestIds" | "loop">,
  field: CommandField,
  body: Uint8Array,
  kind: EntryKind = EntryKind.normal,
  origin: Origin = OWN_ORIGIN,
): Promise<Reply> {
  const sequence = host.requestIds.next();
  const data = encodeCommand(host.requestIds.prefix, sequence, field, body, origin);
  return new Promise((resolve, reject) => {
    host.loop.propose({
      sequence,
      kind,
      data,
      sentAtMs: -1,
      index: 0,
      onReply: resolve,
      onFailure: (failure) => {
        const error = PROPOSAL_ERRORS[failure];
        reject(new QuorateError(error.code, error.text));
      },
    });
  });
}

/** Resolves once everything committed by now is applied here. */
export function linearize(host: Pick<Host, "loop">): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: ReadWaiter = {
      onReadable: () => resolve(),
      onReadFailure: (failure) => {
        const error = READ_ERRORS[failure];
        reject(new QuorateError(error.code, error.text));
      },
    };
    host.loop.linearize(waiter);
  });
}
