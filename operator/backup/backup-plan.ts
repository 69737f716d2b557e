/** What a QuorateBackup needs next. Pure: everything it is decided by is in the facts. */
import { withBackupDefaults, withDefaults } from "../api/apply-defaults.ts";
import type { DefaultedBackupSpec, QuorateCluster } from "../api/gen/types.ts";
import { isOwned } from "../cluster/drift.ts";
import { podName } from "../cluster/names.ts";
import {
  type BackupDecision,
  type BackupFacts,
  LOOK_MS,
  type MemberAccess,
  type SeenJob,
  identityOf,
  placeOf,
  pulledAs,
  statusOf,
  timeText,
} from "./backup-facts.ts";
import { CLAIM_ROOT, type SourceMember, buildBackupJob } from "./job.ts";
import { FILE_FINALIZER } from "./names.ts";
import { type JobOutcome, judgeJob } from "./outcome.ts";
import { planRemoval } from "./removal-plan.ts";
import type { BackupResult } from "./transfer/result.ts";

/** Operations during which there is nothing to read from, or nothing that should be kept. */
const EXCLUSIVE: ReadonlySet<string> = new Set([
  "Bootstrap",
  "Restore",
  "RecoverQuorum",
  "Hibernate",
  "Wake",
]);

export function planBackup(facts: BackupFacts): BackupDecision {
  const { backup, job } = facts;
  const spec = withBackupDefaults(backup.spec);
  if (backup.metadata.deletionTimestamp !== undefined) return planRemoval(facts, spec);
  const phase = backup.status?.phase;
  if (phase === "Complete" || phase === "Failed") return SETTLED;
  const isHeld = backup.metadata.finalizers?.includes(FILE_FINALIZER) ?? false;
  // Before anything is stored.
  if (spec.deletionPolicy === "Delete" && !isHeld)
    return { status: null, action: { kind: "finalizer", present: true }, afterMs: 0 };
  if (job === null) return planStart(facts, spec);
  if (!isOwned(job.job, backup))
    return waiting(facts, "JobExists", `the Job ${job.job.metadata.name} is not of this backup`);
  return planEnd(facts, spec, job, judgeJob(job.job, job.pods));
}

const SETTLED: BackupDecision = { status: null, action: { kind: "none" }, afterMs: null };

function planStart(facts: BackupFacts, spec: DefaultedBackupSpec): BackupDecision {
  const { backup, cluster, image, now } = facts;
  const place = placeOf(facts, spec);
  const blocked = blockOf(facts, spec);
  if (blocked !== null || cluster === null || place === null) {
    const [reason, message] = blocked ?? ["NotReady", "the cluster or the store is not there"];
    const created = Date.parse(backup.metadata.creationTimestamp ?? "");
    return now - created > spec.activeDeadlineSeconds * 1000
      ? failed(facts, reason, `not begun within ${spec.activeDeadlineSeconds} s: ${message}`)
      : waiting(facts, reason, message);
  }
  const job = buildBackupJob({
    backup: identityOf(backup),
    spec,
    place,
    cluster: {
      name: cluster.metadata.name,
      namespace: backup.metadata.namespace ?? "",
      isNamed: withDefaults(cluster.spec).tls?.client.mode === "Mutual",
      members: membersOf(cluster, facts.access),
      version: cluster.status?.version ?? null,
    },
    image: pulledAs(image, cluster),
  });
  const status = statusOf(facts, {
    phase: "Running",
    message: "",
    jobName: job.metadata.name,
    clusterUID: cluster.metadata.uid,
    startedAt: backup.status?.startedAt ?? timeText(now),
  });
  return { status, action: { kind: "createJob", job, isRemoval: false }, afterMs: LOOK_MS };
}

/** Why it cannot begin; null: it can. */
function blockOf(facts: BackupFacts, spec: DefaultedBackupSpec): [string, string] | null {
  const { cluster, store, hasClaim } = facts;
  const { storeRef, pvc } = spec.destination;
  if (storeRef !== undefined && store === null)
    return ["StoreNotFound", `there is no QuorateBackupStore ${storeRef.name}: make it`];
  if (pvc !== undefined && !hasClaim)
    return ["ClaimNotFound", `there is no PersistentVolumeClaim ${pvc.claimName}: make it`];
  const { name } = spec.clusterRef;
  if (cluster === null) return ["ClusterNotFound", `there is no QuorateCluster ${name}`];
  if (cluster.metadata.deletionTimestamp !== undefined)
    return ["ClusterDeleted", `the QuorateCluster ${name} is being deleted`];
  if (cluster.spec.replicas === 0)
    return ["Hibernating", `the QuorateCluster ${name} has no members now: spec.replicas is 0`];
  const operation = cluster.status?.operation?.type ?? "";
  return EXCLUSIVE.has(operation)
    ? ["ClusterBusy", `the QuorateCluster ${name} is busy: ${operation}`]
    : null;
}

function planEnd(
  facts: BackupFacts,
  spec: DefaultedBackupSpec,
  { job }: SeenJob,
  outcome: JobOutcome,
): BackupDecision {
  switch (outcome.kind) {
    case "running": {
      const { jobName = job.metadata.name, startedAt = timeText(facts.now) } =
        facts.backup.status ?? {};
      const status = { phase: "Running" as const, message: outcome.note, jobName, startedAt };
      return { status: statusOf(facts, status), action: { kind: "none" }, afterMs: LOOK_MS };
    }
    case "succeeded":
      return outcome.result.kind === "backup"
        ? complete(facts, spec, outcome.result)
        : failed(facts, "Failed", `the Job ended with ${JSON.stringify(outcome.result)}`);
    case "failed":
      return failed(facts, outcome.reason, outcome.message);
    default:
      // It runs again, finds its manifest, and tells.
      return { status: null, action: { kind: "deleteJob", job }, afterMs: 1_000 };
  }
}

function complete(
  facts: BackupFacts,
  spec: DefaultedBackupSpec,
  result: BackupResult,
): BackupDecision {
  const status = statusOf(facts, {
    phase: "Complete",
    message: "",
    member: result.member,
    revision: result.revision,
    clusterID: result.clusterId,
    serverVersion: result.serverVersion,
    sizeBytes: result.sizeBytes,
    storedBytes: result.storedBytes,
    sha256: result.sha256,
    uri: uriOf(spec, result.uri),
    authEnabled: result.authEnabled,
    verified: result.verified,
    completedAt: timeText(facts.now),
  });
  return { status, action: { kind: "none" }, afterMs: null };
}

/** A claim is named as people name it, not by where the Job has mounted it. */
function uriOf({ destination }: DefaultedBackupSpec, uri: string): string {
  if (destination.pvc === undefined) return uri;
  return uri.replace(`file://${CLAIM_ROOT}/`, `pvc://${destination.pvc.claimName}/`);
}

function failed(facts: BackupFacts, reason: string, message: string): BackupDecision {
  const changes = { phase: "Failed" as const, message, completedAt: timeText(facts.now) };
  return { status: statusOf(facts, changes, reason), action: { kind: "none" }, afterMs: null };
}

function waiting(facts: BackupFacts, reason: string, message: string): BackupDecision {
  const status = statusOf(facts, { phase: "Pending", message }, reason);
  return { status, action: { kind: "none" }, afterMs: LOOK_MS };
}

/** Whoever has a pod; where none is seen, those that the status or the spec says. */
function membersOf(
  { metadata, spec, status }: QuorateCluster,
  access: MemberAccess | null,
): SourceMember[] {
  if (access !== null)
    return [...access.schemes]
      .toSorted(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
      .map(([pod, scheme]) => ({ pod, scheme }));
  const told = (status?.members ?? []).map(({ name }) => name);
  const meant = Array.from({ length: spec.replicas ?? 3 }, (_, at) => podName(metadata.name, at));
  const scheme = spec.unsafe?.plaintext === true ? "http" : "https";
  return (told.length > 0 ? told : meant).map((pod) => ({ pod, scheme }));
}
