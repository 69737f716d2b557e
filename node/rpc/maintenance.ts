/** The Maintenance service: what this member knows of itself, and what is asked of it by hand. */
import { API_ERRORS, type ApiError } from "../../src/api/catalogue.ts";
import {
  AlarmType,
  alarmRequest,
  decodeHashKVRequest,
  decodeMoveLeaderRequest,
  encodeAlarmRequest,
  encodeAlarmResponse,
  encodeDefragmentResponse,
  encodeHashKVResponse,
  encodeMoveLeaderResponse,
  encodeStatusResponse,
} from "../../src/api/gen/maintenance.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { Reply } from "../../src/machine/reply.ts";
import { NO_MEMBER, type MemberId } from "../../src/raft/types.ts";
import { clusterVersionOf } from "../cluster-version.ts";
import { ETCD_VERSION } from "../version.ts";
import { fail, failWith, proposeCall, proposeOwn } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";
import { outdated, type Principal } from "./principal.ts";

/** What etcd says where its quota is switched off by a negative number. */
const NO_QUOTA = -1;

const ALARM_NAMES: Readonly<Record<number, string>> = {
  [AlarmType.nospace]: "NOSPACE",
  [AlarmType.corrupt]: "CORRUPT",
};

/** Local, and answered by learners too. */
export function status(host: Host, call: ServerCall): void {
  const { machine } = host;
  const raft = host.raftStatus();
  const errors = machine.alarms
    .list()
    .map(({ memberId, alarm }) => `memberID:${memberId} alarm:${ALARM_NAMES[alarm] ?? alarm} `);
  if (raft.leader === NO_MEMBER) errors.unshift(API_ERRORS.noLeader.text);
  call.reply(
    encodeStatusResponse({
      header: headerOf(host, machine.store.revision),
      version: ETCD_VERSION,
      dbSize: host.dbSize(),
      leader: raft.leader,
      raftIndex: raft.commit,
      raftTerm: raft.term,
      raftAppliedIndex: raft.applied,
      errors,
      dbSizeInUse: machine.buffer.liveBytes,
      isLearner: host.isLearner(),
      storageVersion: clusterVersionOf(machine),
      dbSizeQuota: Number.isFinite(host.config.quotaBytes) ? host.config.quotaBytes : NO_QUOTA,
      downgradeInfo: machine.versions.downgrade,
    }),
  );
}

export function alarm(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  proposeCall(host, call, CommandField.alarm, message, answerAlarm, who);
}

function answerAlarm(host: Host, call: ServerCall, reply: Reply): void {
  if (reply.kind !== "alarm") return;
  call.reply(encodeAlarmResponse({ header: headerOf(host, reply.revision), alarms: reply.alarms }));
}

/** Raises an alarm for this member, through the log. */
export async function raiseAlarm(host: Host, type: number, action: number): Promise<void> {
  const body = encodeAlarmRequest(
    alarmRequest({ action, memberId: host.identity.memberId, alarm: type }),
  );
  await proposeOwn(host, CommandField.alarm, Buffer.from(body));
}

export function hashKv(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  hashKvUnless(host, call, message, () => outdated(host, who));
}

/** As `hashKv`, for whoever needs no permission. `refusal` is asked when the hash is there. */
export function hashKvUnless(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  refusal: () => ApiError | null,
): void {
  const { revision } = decodeHashKVRequest(message);
  const abort = new AbortController();
  call.context = abort;
  const began = performance.now();
  host.machine.store.hash(revision, abort.signal).then(
    (outcome) => {
      host.stats.revisionHashes.observe((performance.now() - began) / 1000);
      if (outcome.kind !== "hash") {
        const gone = outcome.kind === "compacted";
        fail(call, gone ? API_ERRORS.compacted : API_ERRORS.futureRevision);
        return;
      }
      const error = refusal();
      if (error !== null) {
        fail(call, error);
        return;
      }
      const { hash, compactRevision, revision: hashRevision } = outcome.hash;
      const header = headerOf(host, outcome.current);
      call.reply(encodeHashKVResponse({ header, hash, compactRevision, hashRevision }));
    },
    (error: unknown) => failWith(call, error),
  );
}

/** Ends a hash that nobody waits for. */
export function cancelHash(call: ServerCall): void {
  if (call.context instanceof AbortController) call.context.abort();
}

/** Local, and while the member serves. */
export function defragment(host: Host, call: ServerCall): void {
  const before = host.dbSize();
  host.space.defragment().then(
    () => {
      host.logger.info({ before, after: host.dbSize() }, "compacted the store's files");
      call.reply(encodeDefragmentResponse({ header: null }));
    },
    (error: unknown) => failWith(call, error),
  );
}

export function moveLeader(host: Host, call: ServerCall, message: Uint8Array): void {
  const target = decodeMoveLeaderRequest(message).targetId as MemberId;
  if (!host.isLeader()) {
    fail(call, API_ERRORS.notLeader);
    return;
  }
  const member = host.machine.members.get(target);
  if (member === null || member.isLearner) {
    fail(call, API_ERRORS.badLeaderTransferee);
    return;
  }
  host.transferLeadership(target).then(
    (moved) => {
      if (moved) call.reply(encodeMoveLeaderResponse({ header: null }));
      else fail(call, API_ERRORS.timeoutLeaderTransfer);
    },
    (error: unknown) => failWith(call, error),
  );
}
