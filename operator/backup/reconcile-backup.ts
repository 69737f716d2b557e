/** One pass over one QuorateBackup. */
import {
  CONFIG_MAP,
  JOB,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  QUORATE_BACKUP,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  STATEFUL_SET,
} from "../api/resources.ts";
import type { QuorateBackup, QuorateBackupStore, QuorateCluster } from "../api/gen/types.ts";
import { KubeError, type KubeApi, type ObjectRef } from "../kube/api.ts";
import { CLUSTER_LABEL, CONTAINER, ordinalOf } from "../cluster/names.ts";
import type { Pod, StatefulSet } from "../cluster/objects.ts";
import { type Scheme, clientScheme, transportOf } from "../cluster/transport.ts";
import type {
  BackupAction,
  BackupDecision,
  BackupFacts,
  MemberAccess,
  SeenJob,
} from "./backup-facts.ts";
import { planBackup } from "./backup-plan.ts";
import { type BackupHost, NOTHING_MORE, type Outcome, refOf, tellStatus } from "./controller.ts";
import { FILE_FINALIZER, jobNameOf } from "./names.ts";
import type { Job, JobPod } from "./objects.ts";

/** Set by Kubernetes on the pods of a Job. */
const JOB_NAME_LABEL = "batch.kubernetes.io/job-name";

/** Rejects where the API server does not answer or refuses: the caller tries again, later each time. */
export async function reconcileBackup(host: BackupHost, ref: ObjectRef): Promise<Outcome> {
  const { kube } = host;
  const backup = await kube.get<QuorateBackup>(QUORATE_BACKUP, ref);
  if (backup === null) return NOTHING_MORE;
  const decision = planBackup(await observe(host, backup));
  if (decision.status !== null) await tell(host, backup, decision);
  await act(kube, backup, decision.action);
  return { afterMs: decision.afterMs };
}

async function observe(host: BackupHost, backup: QuorateBackup): Promise<BackupFacts> {
  const { kube } = host;
  const { name, namespace = "" } = backup.metadata;
  const { clusterRef, destination } = backup.spec;
  const at = (object: string): ObjectRef => ({ namespace, name: object });
  const { storeRef, pvc } = destination;
  return {
    now: host.wall(),
    backup,
    cluster: await kube.get<QuorateCluster>(QUORATE_CLUSTER, at(clusterRef.name)),
    access: isOver(backup) ? null : await readAccess(kube, at(clusterRef.name)),
    store:
      storeRef === undefined
        ? null
        : await kube.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, at(storeRef.name)),
    hasClaim:
      pvc === undefined || (await kube.get(PERSISTENT_VOLUME_CLAIM, at(pvc.claimName))) !== null,
    job: await readJob(kube, at(jobNameOf(name, "backup"))),
    deleteJob:
      backup.metadata.deletionTimestamp === undefined
        ? null
        : await readJob(kube, at(jobNameOf(name, "delete"))),
    image: host.image,
  };
}

/** Nothing is read for it any more. */
function isOver({ metadata, status }: QuorateBackup): boolean {
  const { phase } = status ?? {};
  return metadata.deletionTimestamp !== undefined || phase === "Complete" || phase === "Failed";
}

/** As the members run now, whatever the spec says by now; null where there is none. */
async function readAccess(kube: KubeApi, cluster: ObjectRef): Promise<MemberAccess | null> {
  const labelSelector = `${CLUSTER_LABEL}=${cluster.name}`;
  const { items } = await kube.list<Pod>(POD, { namespace: cluster.namespace, labelSelector });
  const members = items.filter(({ metadata }) => ordinalOf(cluster.name, metadata.name) !== null);
  const set = await kube.get<StatefulSet>(STATEFUL_SET, cluster);
  const template = transportOf(set?.spec.template, CONTAINER);
  const schemes = members.flatMap((pod): [string, Scheme][] => {
    const runs = transportOf(pod, CONTAINER) ?? template;
    return runs === null ? [] : [[pod.metadata.name, clientScheme(runs, template ?? runs)]];
  });
  return schemes.length === 0 ? null : { schemes: new Map(schemes) };
}

/** With its pods; null where there is none. */
export async function readJob(kube: KubeApi, ref: ObjectRef): Promise<SeenJob | null> {
  const job = await kube.get<Job>(JOB, ref);
  if (job === null) return null;
  const { items } = await kube.list<JobPod>(POD, {
    namespace: ref.namespace,
    labelSelector: `${JOB_NAME_LABEL}=${ref.name}`,
  });
  const { uid } = job.metadata;
  // One of the same name may have been before it.
  const pods = items.filter(({ metadata }) =>
    metadata.ownerReferences?.some((owner) => owner.uid === uid),
  );
  return { job, pods };
}

async function tell(
  { kube, recorder }: BackupHost,
  backup: QuorateBackup,
  { status }: BackupDecision,
): Promise<void> {
  if (status === null || !(await tellStatus(kube, QUORATE_BACKUP, backup, status))) return;
  const { phase, message = "", uri = "" } = status;
  if (phase === backup.status?.phase) return;
  const isBad = phase === "Failed";
  const note = phase === "Complete" ? `stored ${uri}` : message;
  recorder.event(backup, isBad ? "Warning" : "Normal", `${phase ?? ""}`, note);
}

async function act(kube: KubeApi, backup: QuorateBackup, action: BackupAction): Promise<void> {
  switch (action.kind) {
    case "finalizer":
      await setFinalizer(kube, backup, action.present);
      return;
    case "createJob":
      await createJob(kube, backup, action.job, action.isRemoval);
      return;
    case "deleteJob": {
      const { uid } = action.job.metadata;
      await kube.delete(JOB, refOf(action.job), {
        // It is there until its pods are gone.
        propagation: "Foreground",
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      });
      return;
    }
    case "releaseIfEnding":
      await releaseIfEnding(kube, backup);
      return;
    default:
  }
}

async function createJob(
  kube: KubeApi,
  backup: QuorateBackup,
  job: Job,
  isRemoval: boolean,
): Promise<void> {
  try {
    await kube.create(JOB, job);
  } catch (thrown) {
    if (!(thrown instanceof KubeError)) throw thrown;
    if (thrown.code === "alreadyExists") return;
    if (!isRemoval || !isEnding(thrown)) throw thrown;
    await release(kube, backup);
  }
}

/** A namespace that is deleted takes nothing new any more, no Job either, and would wait for this backup for good. */
function isEnding({ code, message }: KubeError): boolean {
  return code === "forbidden" && /being terminated/.test(message);
}

/** Where no Job can be tried, since nobody knows any more what it would need. The operator may not read namespaces. */
async function releaseIfEnding(kube: KubeApi, backup: QuorateBackup): Promise<void> {
  const { namespace = "" } = backup.metadata;
  const metadata = { name: jobNameOf(backup.metadata.name, "delete"), namespace };
  const nothing = { apiVersion: "v1", kind: "ConfigMap", metadata };
  try {
    await kube.create(CONFIG_MAP, nothing, { dryRun: true });
  } catch (thrown) {
    if (!(thrown instanceof KubeError)) throw thrown;
    if (thrown.code === "alreadyExists") return;
    if (!isEnding(thrown)) throw thrown;
    await release(kube, backup);
  }
}

async function release(kube: KubeApi, backup: QuorateBackup): Promise<void> {
  const told = await kube.get<QuorateBackup>(QUORATE_BACKUP, refOf(backup));
  if (told !== null) await setFinalizer(kube, told, false);
}

async function setFinalizer(kube: KubeApi, backup: QuorateBackup, present: boolean): Promise<void> {
  const others = (backup.metadata.finalizers ?? []).filter((each) => each !== FILE_FINALIZER);
  const finalizers = present ? [...others, FILE_FINALIZER] : others;
  // Nobody else's is taken away by a list that is old.
  const { resourceVersion } = backup.metadata;
  await kube.mergePatch(QUORATE_BACKUP, refOf(backup), {
    metadata: { finalizers, resourceVersion },
  });
}
