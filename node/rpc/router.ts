/** Every method that clients may call, by path. */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import {
  Cluster,
  Election,
  Health,
  KV,
  Lease,
  Lock,
  Maintenance,
  Watch,
} from "../../src/api/gen/methods.ts";
import type { Method, Router, ServerCall } from "../../src/grpc/service.ts";
import { NO_MEMBER } from "../../src/raft/types.ts";
import { fail, failWith } from "./answer.ts";
import { AUTH_HANDLERS } from "./auth.ts";
import { DEAF, guardStream, guardUnary, type Open, type Unary } from "./authorise.ts";
import * as cluster from "./cluster.ts";
import { downgrade } from "./downgrade.ts";
import { abandon } from "./contender.ts";
import * as election from "./election.ts";
import type { HealthService } from "./health.ts";
import type { Host } from "./host.ts";
import * as kv from "./kv.ts";
import * as lease from "./lease.ts";
import { LocalCalls } from "./local-call.ts";
import * as lock from "./lock.ts";
import * as maintenance from "./maintenance.ts";
import { openObserve } from "./observe.ts";
import { cancelRange } from "./range.ts";
import { hash, SnapshotStreams } from "./snapshot.ts";
import { Reflection, REFLECTION_PATHS } from "./reflection.ts";
import type { StreamWatchdog } from "./stream-watchdog.ts";
import { openWatch } from "./watch.ts";

export function buildRouter(
  host: Host,
  watchdog: StreamWatchdog,
  onError: (error: unknown, where: string) => void,
  health: HealthService,
): Router {
  const unary = (
    handler: Unary,
    learner: "served" | "refused" = "refused",
    onCancel: ((call: ServerCall) => void) | null = null,
  ): Method => ({
    kind: "unary",
    handle: (call, message) => {
      if (!isAdmitted(host, call, learner)) return;
      try {
        if (host.machine.auth.enabled) guardUnary(host, call, message, handler);
        else handler(host, call, message, null);
      } catch (error) {
        failWith(call, error);
      }
    },
    onCancel,
  });
  const stream = (
    open: Open,
    kind: "bidiStream" | "serverStream" = "bidiStream",
    learner: "served" | "refused" = "refused",
  ): Method => ({
    kind,
    open: (call) => {
      if (!isAdmitted(host, call, learner)) return DEAF;
      const receiver = guardStream(host, call, open);
      return call.header("hasleader") === "true" ? watchdog.guard(call, receiver) : receiver;
    },
  });
  const router = new Map<string, Method>([
    [KV.range.path, unary(kv.range, "served", cancelRange)],
    [KV.put.path, unary(kv.put)],
    [KV.deleteRange.path, unary(kv.deleteRange)],
    [KV.txn.path, unary(kv.txn)],
    [KV.compact.path, unary(kv.compact)],
    [Watch.watch.path, stream(openWatch)],
    [Lease.leaseGrant.path, unary(lease.grant)],
    [Lease.leaseRevoke.path, unary(lease.revoke)],
    [Lease.leaseKeepAlive.path, stream(lease.openKeepAlive)],
    [Lease.leaseTimeToLive.path, unary(lease.timeToLive)],
    [Lease.leaseLeases.path, unary(lease.leases)],
    [Cluster.memberList.path, unary(cluster.memberList)],
    [Cluster.memberAdd.path, unary(cluster.memberAdd)],
    [Cluster.memberRemove.path, unary(cluster.memberRemove)],
    [Cluster.memberUpdate.path, unary(cluster.memberUpdate)],
    [Cluster.memberPromote.path, unary(cluster.memberPromote)],
    [Maintenance.status.path, unary(maintenance.status, "served")],
    [Maintenance.hashKv.path, unary(maintenance.hashKv, "refused", maintenance.cancelHash)],
    [Maintenance.snapshot.path, stream(new SnapshotStreams().open, "serverStream", "served")],
  ]);
  for (const [path, handler] of [...MAINTENANCE, ...AUTH_HANDLERS])
    router.set(path, unary(handler));
  const local = new LocalCalls({ router, observer: null, onError });
  for (const [path, handler] of LOCAL) {
    const onHost: Unary = (_host, call, message) => handler(local, call, message);
    router.set(path, unary(onHost, "refused", abandon));
  }
  const observe: Open = (_host, call) => openObserve(local, call);
  router.set(Election.observe.path, stream(observe, "serverStream"));
  addOpen(router, health);
  return router;
}

/** What needs nothing but its handler. */
const MAINTENANCE: readonly (readonly [path: string, handler: Unary])[] = [
  [Maintenance.alarm.path, maintenance.alarm],
  [Maintenance.defragment.path, maintenance.defragment],
  [Maintenance.hash.path, hash],
  [Maintenance.moveLeader.path, maintenance.moveLeader],
  [Maintenance.downgrade.path, downgrade],
];

/** What is answered to anybody, at any time. */
function addOpen(router: Map<string, Method>, health: HealthService): void {
  const check: Method = {
    kind: "unary",
    handle: (call, message) => health.check(call, message),
    onCancel: null,
  };
  router.set(Health.check.path, check);
  router.set(Health.watch.path, { kind: "serverStream", open: (call) => health.openWatch(call) });
  const reflection = new Reflection(router);
  const reflect: Method = { kind: "bidiStream", open: (call) => reflection.open(call) };
  for (const path of REFLECTION_PATHS) router.set(path, reflect);
}

/** What is made of the other methods. */
const LOCAL: readonly [
  string,
  (local: LocalCalls, call: ServerCall, message: Uint8Array) => void,
][] = [
  [Lock.lock.path, lock.lock],
  [Lock.unlock.path, lock.unlock],
  [Election.campaign.path, election.campaign],
  [Election.proclaim.path, election.proclaim],
  [Election.leader.path, election.leader],
  [Election.resign.path, election.resign],
];

/** What holds for every method: a learner serves little, and who asks for a leader is not served without one. */
function isAdmitted(host: Host, call: ServerCall, learner: "served" | "refused"): boolean {
  if (learner === "refused" && host.isLearner()) {
    fail(call, API_ERRORS.notSupportedForLearner);
    return false;
  }
  if (host.leader() === NO_MEMBER && call.header("hasleader") === "true") {
    fail(call, API_ERRORS.noLeader);
    return false;
  }
  return true;
}
