/** One pass over one cluster: observe, plan, act, tell. */
import { QUORATE_CLUSTER, apiVersion } from "../api/resources.ts";
import type { Condition, QuorateCluster, QuorateClusterStatus } from "../api/gen/types.ts";
import type { BackupGauges, ClusterBackups } from "../context.ts";
import { KubeError, type ObjectRef, type Recorder } from "../kube/api.ts";
import { act } from "./act.ts";
import { type Action, type Wait, stalled } from "./action.ts";
import type { Facts } from "./facts.ts";
import { JournalError } from "./journal.ts";
import { type Observer, observe } from "./observe.ts";
import { isSameJson } from "./json.ts";
import { isNearlyFull } from "./operation/space.ts";
import { plan } from "./plan.ts";
import { REFUSED } from "./conditions.ts";
import { ROLL_FAILED } from "./operation/failed-roll.ts";
import { buildStatus } from "./status.ts";
import { buildView } from "./view.ts";

export interface ClusterReconciler extends Observer {
  readonly recorder: Recorder;
  readonly gauges: BackupGauges;
  /** Told of every action before it is made. */
  readonly onAction?: (cluster: ObjectRef, action: Action) => void;
}

/** How soon the next pass is due, in milliseconds; null: when something changes. */
export type NextPass = number | null;

/** Settled clusters are looked at all the same: members say nothing by themselves. */
const IDLE_MS = 30_000;
/** Where one of them may be full soon. */
const IDLE_FULL_MS = 5_000;

/** Rejects where the API server does not answer or refuses: the caller tries again, later each time. */
export async function reconcileCluster(
  reconciler: ClusterReconciler,
  ref: ObjectRef,
): Promise<NextPass> {
  const { kube, admins } = reconciler;
  const cluster = await kube.get<QuorateCluster>(QUORATE_CLUSTER, ref);
  if (cluster === null) {
    admins.forget(`${ref.namespace ?? ""}/${ref.name}`);
    reconciler.gauges.cluster(ref, null);
    return null;
  }
  try {
    const { facts, admin } = await observe(reconciler, cluster);
    reconciler.gauges.cluster(ref, backupsOf(facts));
    const action = plan(facts);
    reconciler.onAction?.(ref, action);
    const failure = await act(reconciler, admin, facts, action).then(
      () => null,
      (thrown: unknown) => ({ thrown }),
    );
    // Afterwards, so that a status that cannot be written keeps nothing from being mended, and a refusal is in it.
    await tell(reconciler, facts, refusalOf(failure?.thrown) ?? action);
    if (failure !== null) throw failure.thrown;
    return nextPass(action, facts);
  } catch (thrown) {
    if (!(thrown instanceof JournalError)) throw thrown;
    reconciler.recorder.event(cluster, "Warning", "JournalUnreadable", thrown.message);
    return IDLE_MS;
  }
}

function backupsOf({ backups, backupHealth }: Facts): ClusterBackups {
  const ended = backups.flatMap(({ status }) =>
    status?.phase === "Complete" ? Date.parse(status.completedAt ?? "") : [],
  );
  const { status } = backupHealth;
  return {
    lastSuccessSeconds: ended.length === 0 ? null : Math.max(...ended) / 1000,
    healthy: status === "Unknown" ? null : status === "True",
  };
}

/** What the API server does not take, it takes no better the next time: a person has to see it. */
function refusalOf(thrown: unknown): Wait | null {
  const isRefusal =
    thrown instanceof KubeError && (thrown.code === "forbidden" || thrown.code === "invalid");
  return isRefusal ? stalled("Refused", `Kubernetes refuses a step: ${thrown.message}`) : null;
}

function nextPass(action: Action, facts: Facts): NextPass {
  switch (action.kind) {
    case "wait":
      return action.afterMs;
    case "settled":
      return isNearlyFull(facts) ? IDLE_FULL_MS : IDLE_MS;
    default:
      return 0;
  }
}

/** The status, where it changed, and an event where what is waited for changed. */
async function tell(
  { kube, recorder }: ClusterReconciler,
  facts: Facts,
  action: Action,
): Promise<void> {
  const { cluster, journal } = facts;
  if (cluster.metadata.deletionTimestamp !== undefined) return;
  const view = journal === null ? null : buildView(facts, journal.document);
  const status = buildStatus(facts, view, action);
  if (action.kind === "wait" && isNews(cluster, action))
    recorder.event(cluster, action.stalled ? "Warning" : "Normal", action.reason, action.message);
  if (action.kind === "taskStatus" && action.changes.phase === "Failed")
    recorder.event(cluster, "Warning", "TaskFailed", `${action.task}: ${action.changes.message}`);
  for (const { reason, message } of complaints(cluster, status, action))
    recorder.event(cluster, "Warning", reason, message);
  for (const { reason, message } of transportNews(cluster, status))
    recorder.event(cluster, "Normal", reason, message);
  if (isSameJson(status, cluster.status ?? {})) return;
  const { name, namespace = "" } = cluster.metadata;
  const object = {
    apiVersion: apiVersion(QUORATE_CLUSTER),
    kind: QUORATE_CLUSTER.kind,
    metadata: { name, namespace },
    status,
  };
  await kube.applyStatus(QUORATE_CLUSTER, object);
}

/** Another reason than was told last: how far it is, the status says. */
function isNews({ status }: QuorateCluster, { reason, stalled }: Wait): boolean {
  const told = status?.conditions?.find(
    ({ type }) => type === (stalled ? "Stalled" : "Reconciling"),
  );
  return told?.reason !== reason;
}

const ON_THE_WAY: ReadonlySet<string> = new Set([
  "TurningTLSOn",
  "TurningTLSOff",
  "PlaintextAccepted",
  "RefusingPlaintext",
  "AcceptingPlaintext",
]);

/** Where it has come to between with TLS and without: told when clients have something else to do than was told last. */
function transportNews(
  { status: before }: QuorateCluster,
  { conditions = [] }: QuorateClusterStatus,
): { readonly reason: string; readonly message: string }[] {
  const advice = ({ reason, message }: Condition): string =>
    `${reason} ${message.slice(message.lastIndexOf("; "))}`;
  const told = before?.conditions?.find(({ type }) => type === "TLSReady");
  return conditions.flatMap((condition) => {
    const { type, reason, message } = condition;
    if (type !== "TLSReady" || !ON_THE_WAY.has(reason)) return [];
    return told !== undefined && advice(told) === advice(condition) ? [] : [{ reason, message }];
  });
}

/** What a person has to act on although nothing waits for it: told when it comes up, and when it becomes another. */
function complaints(
  { status: before }: QuorateCluster,
  { conditions = [] }: QuorateClusterStatus,
  action: Action,
): { readonly reason: string; readonly message: string }[] {
  const isNew = ({ type, message }: Condition): boolean =>
    !before?.conditions?.some(
      (told) => told.type === type && told.status === "True" && told.message === message,
    );
  return conditions.flatMap((condition) => {
    const { type, status, reason, message } = condition;
    if (status !== "True" || !isNew(condition)) return [];
    if (type === "QuorumLost") return [{ reason: type, message }];
    const isUndone = reason === REFUSED || reason === ROLL_FAILED;
    // What is waited for has been told as that.
    const isWaited = action.kind === "wait" && action.stalled;
    return type === "Stalled" && isUndone && !isWaited ? [{ reason, message }] : [];
  });
}
