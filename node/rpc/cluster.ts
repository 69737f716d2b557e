/** The Cluster service: who takes part. One change at a time, judged when it is applied. */
import { API_ERRORS, type ApiError } from "../../src/api/catalogue.ts";
import {
  decodeMemberAddRequest,
  decodeMemberListRequest,
  decodeMemberPromoteRequest,
  decodeMemberRemoveRequest,
  decodeMemberUpdateRequest,
  encodeMemberAddResponse,
  encodeMemberListResponse,
  encodeMemberPromoteResponse,
  encodeMemberRemoveResponse,
  encodeMemberUpdateResponse,
} from "../../src/api/gen/cluster.ts";
import type { Member as ApiMember } from "../../src/api/gen/cluster.ts";
import {
  encodeMembershipChange,
  MembershipChangeKind,
  storedMember,
} from "../../src/api/gen/command.ts";
import type { StoredMember } from "../../src/api/gen/command.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { Member } from "../../src/machine/members.ts";
import { EntryKind, type MemberId } from "../../src/raft/types.ts";
import { arePeerUrls } from "../peer/dialer.ts";
import { yieldLead } from "../handover.ts";
import { memberId } from "../ids.ts";
import { fail, failWith, linearize, proposeOwn, refusalError } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";
import { outdated, type Principal } from "./principal.ts";

/** A learner that has so much of the leader's log may become a voter. */
const IN_SYNC_SHARE = 0.9;
const NOT_READY = API_ERRORS.learnerNotReady.text;
/** Membership changes that meet another one still under way try again for so long. */
const PENDING_ATTEMPTS = 50;
const PENDING_RETRY_MS = 100;

/** Headers of this service carry no revision. */
const NO_REVISION = 0;

export function memberList(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const { linearizable } = decodeMemberListRequest(message);
  const answer = (): void => {
    const error = outdated(host, who);
    const header = headerOf(host, NO_REVISION);
    if (error !== null) fail(call, error);
    else call.reply(encodeMemberListResponse({ header, members: apiMembers(host) }));
  };
  if (!linearizable) answer();
  else linearize(host).then(answer, (error: unknown) => failWith(call, error));
}

export function memberAdd(host: Host, call: ServerCall, message: Uint8Array): void {
  const { peerUrls, isLearner } = decodeMemberAddRequest(message);
  if (!arePeerUrls(peerUrls)) {
    fail(call, API_ERRORS.memberBadUrls);
    return;
  }
  const id = memberId(peerUrls, host.config.initialClusterToken, Date.now());
  const refusal = isLearner ? learnerRefusal(host) : host.reconfigurationRefusal("addVoter", id);
  if (refusal !== null) {
    fail(call, refusal);
    return;
  }
  const kind = isLearner ? MembershipChangeKind.addLearner : MembershipChangeKind.addVoter;
  change(host, call, kind, storedMember({ id, peerUrls, isLearner }), () =>
    encodeMemberAddResponse({
      header: headerOf(host, NO_REVISION),
      member: toApiMember(storedMember({ id, peerUrls, isLearner })),
      members: apiMembers(host),
    }),
  );
}

export function memberRemove(host: Host, call: ServerCall, message: Uint8Array): void {
  const { id } = decodeMemberRemoveRequest(message);
  const refusal =
    host.machine.members.get(id) === null
      ? API_ERRORS.memberNotFound
      : host.reconfigurationRefusal("remove", id as MemberId);
  if (refusal !== null) {
    fail(call, refusal);
    return;
  }
  const answer = (): Uint8Array =>
    encodeMemberRemoveResponse({ header: headerOf(host, NO_REVISION), members: apiMembers(host) });
  yieldLead(host, id as MemberId).then(
    () => change(host, call, MembershipChangeKind.remove, storedMember({ id }), answer),
    (error: unknown) => failWith(call, error),
  );
}

export function memberUpdate(host: Host, call: ServerCall, message: Uint8Array): void {
  const { id, peerUrls } = decodeMemberUpdateRequest(message);
  if (!arePeerUrls(peerUrls)) {
    fail(call, API_ERRORS.memberBadUrls);
    return;
  }
  change(host, call, MembershipChangeKind.update, storedMember({ id, peerUrls }), () =>
    encodeMemberUpdateResponse({ header: headerOf(host, NO_REVISION), members: apiMembers(host) }),
  );
}

export function memberPromote(host: Host, call: ServerCall, message: Uint8Array): void {
  const { id } = decodeMemberPromoteRequest(message);
  const promoted = host.isLeader() ? promoteHere(host, id) : host.peers.promote(host.leader(), id);
  Promise.resolve(promoted).then(
    () =>
      call.reply(
        encodeMemberPromoteResponse({
          header: headerOf(host, NO_REVISION),
          members: apiMembers(host),
        }),
      ),
    (error: unknown) => failWith(call, error),
  );
}

/** At the leader, which alone knows how far the learner is. Rejects with the catalogue's error. */
export async function promoteHere(host: Host, id: bigint): Promise<void> {
  const member = host.machine.members.get(id);
  if (member === null) throw refusalError(API_ERRORS.memberNotFound);
  if (!member.isLearner) throw refusalError(API_ERRORS.memberNotLearner);
  const status = host.raftStatus();
  if (status.role !== "leader") throw refusalError(API_ERRORS.notLeader);
  const progress = status.progress.find((peer) => peer.id === id);
  if (progress === undefined || progress.match < status.lastIndex * IN_SYNC_SHARE) {
    const refused = host.stats.learnerRefusals;
    refused.set(NOT_READY, (refused.get(NOT_READY) ?? 0) + 1);
    throw refusalError(API_ERRORS.learnerNotReady);
  }
  const refusal = host.reconfigurationRefusal("addVoter", id as MemberId);
  if (refusal !== null) throw refusalError(refusal);
  await propose(host, MembershipChangeKind.promote, storedMember({ id }));
  host.stats.learnerPromotions++;
}

export function apiMembers(host: Pick<Host, "machine">): readonly ApiMember[] {
  return host.machine.members.list().map(toApiMember);
}

function toApiMember(member: Member): ApiMember {
  const { id, name, peerUrls, clientUrls, isLearner } = member;
  return { id, name, peerUrls, clientUrls, isLearner };
}

function learnerRefusal(host: Host): ApiError | null {
  const learners = host.machine.members.list().filter((member) => member.isLearner).length;
  return learners >= host.config.maxLearners ? API_ERRORS.tooManyLearners : null;
}

function change(
  host: Host,
  call: ServerCall,
  kind: number,
  member: StoredMember,
  answer: () => Uint8Array,
): void {
  propose(host, kind, member).then(
    () => call.reply(answer()),
    (error: unknown) => failWith(call, error),
  );
}

async function propose(host: Host, kind: number, member: StoredMember): Promise<void> {
  const body = Buffer.from(encodeMembershipChange({ kind, member }));
  for (let attempt = 0; ; attempt++) {
    try {
      const reply = await proposeOwn(host, CommandField.membership, body, EntryKind.membership);
      if (reply.kind === "error") throw refusalError(reply.error);
      return;
    } catch (error) {
      // Another change is not applied yet: nothing of this one was taken.
      const pending = error instanceof QuorateError && error.message === PENDING_TEXT;
      if (!pending || attempt === PENDING_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PENDING_RETRY_MS));
    }
  }
}

const PENDING_TEXT = API_ERRORS.tooManyRequests.text;
