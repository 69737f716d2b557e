/** A cluster that is being deleted: what it owns goes by itself, volumes only where the spec says so. Pure. */
import { type Action, wait } from "./action.ts";
import { specOf } from "./adoption.ts";
import type { Facts } from "./facts.ts";
import { isTerminating } from "./objects.ts";

/** On a cluster whose volumes go with it. */
export const FINALIZER = "quorate.io/volumes";

/** Whether the finalizer has to be added or taken away while the cluster lives; null: it is right. */
export function planFinalizer({ cluster }: Facts): Action | null {
  const wanted = specOf(cluster).storage.retention.onDelete === "Delete";
  const there = cluster.metadata.finalizers?.includes(FINALIZER) ?? false;
  return wanted === there ? null : { kind: "finalizer", present: wanted };
}

export function planDeletion(facts: Facts): Action {
  const { cluster, statefulSet, pods, claims } = facts;
  if (!(cluster.metadata.finalizers?.includes(FINALIZER) ?? false)) return { kind: "settled" };
  const keep = specOf(cluster).storage.retention.onDelete === "Retain";
  if (keep) return { kind: "finalizer", present: false };
  if (statefulSet !== null && !isTerminating(statefulSet))
    return { kind: "deleteStatefulSet", uid: statefulSet.metadata.uid ?? "" };
  if (statefulSet !== null || pods.size > 0)
    return wait("AwaitPodsGone", `${pods.size} pods have not gone yet`);
  for (const { metadata } of claims.values()) {
    if (metadata.deletionTimestamp === undefined)
      return { kind: "deleteClaim", name: metadata.name, uid: metadata.uid ?? "", vacated: null };
  }
  if (claims.size > 0) return wait("AwaitDiskGone", `${claims.size} claims have not gone yet`);
  return { kind: "finalizer", present: false };
}
