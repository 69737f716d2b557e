/** What the controllers of backups share: how they are called, what they are given, how a status is written. */
import { apiVersion } from "../api/resources.ts";
import type { KubeApi, KubeObject, ObjectRef, Recorder, Resource } from "../kube/api.ts";
import { isSameJson } from "../cluster/json.ts";
import type { BackupGauges } from "../context.ts";
import type { TransferImage } from "./job.ts";

export interface BackupHost {
  readonly kube: KubeApi;
  readonly recorder: Recorder;
  readonly gauges: BackupGauges;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  /** The operator's own image. */
  readonly image: TransferImage;
}

/** When to look again, in milliseconds; null: when something changes. */
export interface Outcome {
  readonly afterMs: number | null;
}

export const NOTHING_MORE: Outcome = { afterMs: null };

export function refOf({ metadata }: KubeObject): ObjectRef {
  return { namespace: metadata.namespace ?? null, name: metadata.name };
}

/** Writes it if it says anything new. */
export async function tellStatus(
  kube: KubeApi,
  resource: Resource,
  object: KubeObject & { readonly status?: object },
  status: object,
): Promise<boolean> {
  if (isSameJson(status, object.status ?? {})) return false;
  const { name, namespace } = object.metadata;
  const told: KubeObject & { readonly status: object } = {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    status,
  };
  await kube.applyStatus(resource, told);
  return true;
}
