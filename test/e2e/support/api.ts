/** The API server of KUBECONFIG, as the tests see it: an administrator's client, and waits that end with an event. */
import { EVENT, QUORATE_CLUSTER } from "../../../operator/api/resources.ts";
import type { QuorateCluster } from "../../../operator/api/gen/types.ts";
import type { KubeObject, ObjectRef, Resource } from "../../../operator/kube/api.ts";
import { KubeError } from "../../../operator/kube/api.ts";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import { Transport } from "../../../operator/kube/transport.ts";
import { systemTime } from "../../../operator/time.ts";
import { until } from "../../conformance/support/tools.ts";

const credentials = new Credentials({}, systemTime);
const shared = { credentials, time: systemTime, userAgent: "quorate-e2e" };

export const api: KubeClient = new KubeClient({ ...shared, fieldManager: "quorate-e2e" });
const transport = new Transport({ ...shared, timeoutMs: 60_000, onCall: () => {} });

/**
 * Waits until the object is as wanted (null: it is not there), and resolves with it. Rejects with `what` and the object's state
 * when it takes longer.
 */
export async function eventually<T extends KubeObject>(
  what: string,
  resource: Resource,
  ref: ObjectRef,
  wanted: (object: T | null) => boolean,
  timeoutMs: number,
): Promise<T | null> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let last: T | null = null;
  const follow = async (): Promise<boolean> => {
    const fieldSelector = `metadata.name=${ref.name}`;
    const listed = await api.list<T>(resource, { namespace: ref.namespace, fieldSelector });
    last = listed.items[0] ?? null;
    if (wanted(last)) return true;
    const { resourceVersion } = listed;
    const request = {
      namespace: ref.namespace,
      fieldSelector,
      resourceVersion,
      timeoutSeconds: 300,
    };
    for await (const event of api.watch(resource, request, timeout)) {
      if (event.type === "BOOKMARK") continue;
      last = event.type === "DELETED" ? null : (event.object as T);
      if (wanted(last)) return true;
    }
    return false;
  };
  while (!timeout.aborted) {
    try {
      if (await follow()) return last;
    } catch (thrown) {
      if (!timeout.aborted && !(thrown instanceof KubeError)) throw thrown;
    }
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}; it is ${JSON.stringify(last)}`);
}

/** "True", "False", "Unknown"; undefined where nobody has said so for the spec as it is now. */
export function conditionOf(cluster: QuorateCluster | null, type: string): string | undefined {
  const condition = cluster?.status?.conditions?.find((each) => each.type === type);
  return condition?.observedGeneration === cluster?.metadata.generation
    ? condition?.status
    : undefined;
}

/** What is said of it, whatever it is. */
export function conditionIn(
  status: QuorateCluster["status"],
  type: string,
): { readonly reason: string; readonly message: string } {
  const found = status?.conditions?.find((each) => each.type === type);
  return found ?? { reason: "", message: `nothing is said of ${type}` };
}

/** Until the cluster is as its spec says, with all members ready. */
export async function ready(ref: ObjectRef, timeoutMs: number): Promise<QuorateCluster> {
  const found = await eventually<QuorateCluster>(
    `${ref.name} is Ready`,
    QUORATE_CLUSTER,
    ref,
    (cluster) =>
      conditionOf(cluster, "Ready") === "True" && conditionOf(cluster, "Reconciling") !== "True",
    timeoutMs,
  );
  if (found === null) throw new Error(`${ref.name} is not there`);
  return found;
}

/** Waits for the one Warning about a cluster that says so. */
export async function warned(cluster: ObjectRef, pattern: RegExp): Promise<void> {
  type Told = KubeObject & {
    readonly type?: string;
    readonly note?: string;
    readonly regarding?: { readonly name?: string };
  };
  await until(`a Warning about ${cluster.name} says ${pattern.source}`, 30_000, async () => {
    const { items } = await api.list<Told>(EVENT, { namespace: cluster.namespace });
    const found = items.filter(
      ({ type, note, regarding }) =>
        type === "Warning" && regarding?.name === cluster.name && pattern.test(note ?? ""),
    );
    return found.length === 1;
  });
}

/** An HTTP request to a pod, by way of the API server. Resolves with the parsed body. */
export async function askPod(ref: ObjectRef, port: number, path: string): Promise<unknown> {
  return await transport.call({
    method: "GET",
    path: `/api/v1/namespaces/${ref.namespace ?? ""}/pods/${ref.name}:${port}/proxy${path}`,
    verb: "proxy",
    resource: "pods",
  });
}
