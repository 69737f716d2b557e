/** A cluster under test, in a namespace of its own that goes with it. */
import {
  EVENT,
  NAMESPACE as NAMESPACES,
  NODE,
  POD,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import type { MemberStatus, QuorateCluster } from "../../../operator/api/gen/types.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { until } from "../../conformance/support/tools.ts";
import { api, conditionOf, eventually, ready } from "./api.ts";
import { IMAGE } from "./image.ts";
import { createNamespace, operatorLogs } from "./operator.ts";

export interface PodObject extends KubeObject {
  readonly spec: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export class ClusterUnderTest {
  readonly ref: ObjectRef;

  /** `spec` beside version, image and a small volume. Resolves at once: `ready` waits. */
  static async create(namespace: string, spec: object): Promise<ClusterUnderTest> {
    await createNamespace(namespace);
    const cluster = new ClusterUnderTest({ namespace, name: "kv" });
    await cluster.make(spec);
    return cluster;
  }

  private constructor(ref: ObjectRef) {
    this.ref = ref;
  }

  /** Another one in the same namespace. */
  async sibling(name: string, spec: object): Promise<ClusterUnderTest> {
    const other = new ClusterUnderTest({ ...this.ref, name });
    await other.make(spec);
    return other;
  }

  /** Creates the object, at first or after it was deleted. */
  async make(spec: object): Promise<void> {
    await api.create<KubeObject & { spec: object }>(QUORATE_CLUSTER, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateCluster",
      metadata: { name: this.ref.name, namespace: this.namespace },
      spec: { version: IMAGE.tag, storage: { size: "1Gi" }, ...spec },
    });
  }

  get namespace(): string {
    return this.ref.namespace ?? "";
  }

  async get(): Promise<QuorateCluster> {
    const found = await api.get<QuorateCluster>(QUORATE_CLUSTER, this.ref);
    if (found === null) throw new Error("the cluster is gone");
    return found;
  }

  /** As its spec says, all members ready; what stands in the way is in the error. */
  async ready(timeoutMs: number): Promise<QuorateCluster> {
    try {
      return await ready(this.ref, timeoutMs);
    } catch (thrown) {
      throw new Error(`${String(thrown)}\n${await operatorLogs().catch(String)}`);
    }
  }

  /** Waits for a state of the status. */
  async until(
    what: string,
    wanted: (cluster: QuorateCluster) => boolean,
    timeoutMs: number,
  ): Promise<QuorateCluster> {
    const found = await eventually<QuorateCluster>(
      what,
      QUORATE_CLUSTER,
      this.ref,
      (cluster) => cluster !== null && wanted(cluster),
      timeoutMs,
    );
    if (found === null) throw new Error(what);
    return found;
  }

  async untilCondition(type: string, status: string, timeoutMs: number): Promise<QuorateCluster> {
    const is = (cluster: QuorateCluster): boolean => conditionOf(cluster, type) === status;
    return await this.until(`${type} is ${status}`, is, timeoutMs);
  }

  async patch(spec: object): Promise<void> {
    await api.mergePatch(QUORATE_CLUSTER, this.ref, { spec });
  }

  pod(ordinal: number): ObjectRef {
    return { namespace: this.namespace, name: `${this.ref.name}-${ordinal}` };
  }

  claim(ordinal: number): ObjectRef {
    return { namespace: this.namespace, name: `data-${this.ref.name}-${ordinal}` };
  }

  async members(): Promise<readonly MemberStatus[]> {
    return (await this.get()).status?.members ?? [];
  }

  /** Who is which member. */
  async ids(): Promise<string[]> {
    return (await this.members()).map(({ name, id }) => `${name} ${id}`);
  }

  async leader(): Promise<string> {
    const { status } = await this.get();
    if (status?.leader === undefined) throw new Error("no leader is known");
    return status.leader;
  }

  async nodeOf(pod: string): Promise<string> {
    const found = await api.get<PodObject>(POD, { namespace: this.namespace, name: pod });
    if (found?.spec.nodeName === undefined) throw new Error(`${pod} runs on no node`);
    return found.spec.nodeName;
  }

  /** By name, what changes where a pod is made anew, or a container in it. */
  async lives(): Promise<Readonly<Record<string, string>>> {
    const labelSelector = `quorate.io/cluster=${this.ref.name}`;
    const { items } = await api.list<PodObject>(POD, { namespace: this.namespace, labelSelector });
    return Object.fromEntries(
      items.map(({ metadata, status }) => {
        const restarts = status?.containerStatuses?.map(({ restartCount }) => restartCount) ?? [];
        return [metadata.name, `${metadata.uid ?? ""}, restarts ${restarts.join()}`];
      }),
    );
  }

  /** Until there is an event of this reason about the cluster that says so. */
  async told(reason: string, pattern: RegExp, timeoutMs: number): Promise<void> {
    type Event = KubeObject & { reason?: string; note?: string; regarding?: { name?: string } };
    const { name } = this.ref;
    await until(`an event ${reason} says ${String(pattern)}`, timeoutMs, async () => {
      const { items } = await api.list<Event>(EVENT, { namespace: this.namespace });
      return items.some(
        (event) =>
          event.reason === reason &&
          event.regarding?.name === name &&
          pattern.test(event.note ?? ""),
      );
    });
  }

  /** Deletes a pod and waits until another one of its name is ready. */
  async replacePod(ordinal: number, graceSeconds: number | null, timeoutMs: number): Promise<void> {
    const ref = this.pod(ordinal);
    const old = await api.get(POD, ref);
    await api.delete(POD, ref, graceSeconds === null ? {} : { gracePeriodSeconds: graceSeconds });
    await this.podReady(ref, old?.metadata.uid ?? null, timeoutMs);
  }

  /** A pod of this name that is ready and is not the one of this uid. */
  async podReady(ref: ObjectRef, notUid: string | null, timeoutMs: number): Promise<void> {
    await eventually<PodObject>(
      `another ${ref.name} is ready`,
      POD,
      ref,
      (pod) => pod !== null && pod.metadata.uid !== notUid && isReady(pod),
      timeoutMs,
    );
  }

  /** One QuorateTask with this action; resolves once it is complete. */
  async task(name: string, action: object, timeoutMs: number): Promise<void> {
    const ref = { namespace: this.namespace, name };
    await api.create<KubeObject & { spec: object }>(QUORATE_TASK, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateTask",
      metadata: { name, namespace: this.namespace },
      spec: { clusterRef: { name: this.ref.name }, ...action },
    });
    type Task = KubeObject & { status?: { phase?: string; message?: string } };
    const over = await eventually<Task>(
      `the task ${name} is over`,
      QUORATE_TASK,
      ref,
      (task) => task?.status?.phase === "Complete" || task?.status?.phase === "Failed",
      timeoutMs,
    );
    if (over?.status?.phase !== "Complete") throw new Error(`${name}: ${over?.status?.message}`);
  }

  /** Deletes the object, and waits until it is gone. */
  async unmake(): Promise<void> {
    await api.delete(QUORATE_CLUSTER, this.ref);
    await eventually("the cluster is gone", QUORATE_CLUSTER, this.ref, (c) => c === null, 60_000);
  }

  /** Deletes the namespace, and waits until the cluster in it is gone. */
  async remove(): Promise<void> {
    await this.unmake();
    await api.delete(NAMESPACES, { namespace: null, name: this.namespace });
  }
}

export function isReady(pod: PodObject): boolean {
  const conditions = pod.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

/** Names of all nodes. */
export async function nodeNames(): Promise<string[]> {
  const { items } = await api.list(NODE, { namespace: null });
  return items.map(({ metadata }) => metadata.name).toSorted((a, b) => a.localeCompare(b));
}

/** A node that none of these is. */
export async function nodeOtherThan(...taken: readonly string[]): Promise<string> {
  const free = (await nodeNames()).find((name) => !taken.includes(name));
  if (free === undefined) throw new Error("there are too few nodes");
  return free;
}
