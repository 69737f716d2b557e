/** The Election service: the leader is whoever's key below the election's name was created first; the value is theirs. */
import { API_ERRORS, toError } from "../../src/api/catalogue.ts";
import {
  decodeCampaignRequest,
  decodeLeaderRequest,
  decodeProclaimRequest,
  decodeResignRequest,
  encodeCampaignResponse,
  encodeLeaderResponse,
  encodeProclaimResponse,
  encodeResignResponse,
} from "../../src/api/gen/election.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderKey,
  LeaderResponse,
} from "../../src/api/gen/election.ts";
import type { ResponseHeader } from "../../src/api/gen/header.ts";
import { rangeRequest, txnRequest } from "../../src/api/gen/kv.ts";
import { KV } from "../../src/api/gen/methods.ts";
import { equalBytes, keep } from "../../src/base/bytes.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import {
  answerWith,
  contenderKey,
  contendersPrefix,
  createdAt,
  deleteOp,
  firstCreated,
  putOp,
  rangeOp,
  rowsOf,
  sessionLease,
  sessionOf,
  UNINTERRUPTED,
  waitForEarlier,
  type Session,
} from "./contender.ts";
import type { LocalCalls } from "./local-call.ts";

type Header = ResponseHeader | null;

export function campaign(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const request = decodeCampaignRequest(keep(message));
  const session = sessionOf(local, call);
  answerWith(call, encodeCampaignResponse, (signal) => stand(session, request, signal));
}

/** Resolves once the client leads. A campaign that its client gives up is resigned from. */
async function stand(
  session: Session,
  { name, lease: given, value }: CampaignRequest,
  signal: AbortSignal,
): Promise<CampaignResponse> {
  const { local, caller } = session;
  const lease = await sessionLease(session, given, signal);
  const prefix = contendersPrefix(name);
  const key = contenderKey(prefix, lease);
  const txn = txnRequest({
    compare: [createdAt(key, 0)],
    success: [putOp(key, value, lease)],
    failure: [rangeOp(rangeRequest({ key }))],
  });
  const { header, succeeded, responses } = await local.unary(caller, KV.txn, txn, UNINTERRUPTED);
  const [before] = succeeded ? [] : rowsOf(responses[0]);
  const rev = before?.createRevision ?? header?.revision ?? 0;
  const leader: LeaderKey = { name, key, rev, lease };
  let announced = before === undefined || equalBytes(before.value, value);
  try {
    if (!announced) await announce(session, leader, value, lease);
    announced = true;
    await waitForEarlier(session, prefix, rev - 1, signal);
  } catch (error) {
    // Where the wait alone has failed the key stays, as in etcd: the client may campaign again with its lease.
    if (signal.aborted || !announced) await withdraw(session, leader).catch(() => {});
    throw error;
  }
  return { header, leader };
}

export function proclaim(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const { leader, value } = decodeProclaimRequest(keep(message));
  const session = sessionOf(local, call);
  answerWith(call, encodeProclaimResponse, async (signal) => {
    if (leader === null) throw toError(API_ERRORS.electionLeaderMissing);
    const lease = await sessionLease(session, leader.lease, signal);
    return { header: await announce(session, leader, value, lease) };
  });
}

/** Puts the leader's value, if it still leads. */
async function announce(
  { local, caller }: Session,
  { key, rev }: LeaderKey,
  value: Uint8Array,
  lease: bigint,
): Promise<Header> {
  const txn = txnRequest({ compare: [createdAt(key, rev)], success: [putOp(key, value, lease)] });
  const { header, succeeded } = await local.unary(caller, KV.txn, txn, UNINTERRUPTED);
  if (!succeeded) throw toError(API_ERRORS.electionNotLeader);
  return header;
}

export function resign(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const { leader } = decodeResignRequest(keep(message));
  const session = sessionOf(local, call);
  answerWith(call, encodeResignResponse, async () => {
    if (leader === null) throw toError(API_ERRORS.electionLeaderMissing);
    return { header: await withdraw(session, leader) };
  });
}

/** Deletes the contender's key, unless it is another's by now. */
async function withdraw({ local, caller }: Session, { key, rev }: LeaderKey): Promise<Header> {
  const txn = txnRequest({ compare: [createdAt(key, rev)], success: [deleteOp(key)] });
  return (await local.unary(caller, KV.txn, txn, UNINTERRUPTED)).header;
}

export function leader(local: LocalCalls, call: ServerCall, message: Uint8Array): void {
  const { name } = decodeLeaderRequest(keep(message));
  const { caller } = sessionOf(local, call);
  answerWith(call, encodeLeaderResponse, async (signal): Promise<LeaderResponse> => {
    const first = firstCreated(contendersPrefix(name));
    const { header, kvs } = await local.unary(caller, KV.range, first, signal);
    const [kv] = kvs;
    if (kv === undefined) throw toError(API_ERRORS.electionNoLeader);
    return { header, kv };
  });
}
