/** How everything that belongs to a cluster is called. */
import { createHash } from "node:crypto";
import { canonicalJson } from "./json.ts";

export const FIELD_MANAGER = "quorate-operator";
export const ROLE_LABEL = "quorate.io/role";
export const CLUSTER_LABEL = "quorate.io/cluster";
/** On pods: a digest of their boot file. A change makes the kubelet look at the volume at once. */
export const BOOT_ANNOTATION = "quorate.io/boot";
/** On applied objects: a digest of what was applied. */
export const APPLIED_ANNOTATION = "quorate.io/applied";

/** Of the member, in its pod. */
export const CONTAINER = "quorate";

export const CLIENT_PORT = 2379;
export const PEER_PORT = 2380;
export const PROBE_PORT = 2381;

export interface ClusterKey {
  readonly namespace: string;
  readonly name: string;
}

export interface ClusterNames {
  readonly statefulSet: string;
  readonly peerService: string;
  readonly clientService: string;
  readonly boot: string;
  readonly journal: string;
  readonly authority: string;
  readonly serverTls: string;
  readonly peerTls: string;
  readonly clientTls: string;
  readonly operatorTls: string;
  readonly operatorAuth: string;
}

export function clusterNames(name: string): ClusterNames {
  return {
    statefulSet: name,
    peerService: `${name}-peers`,
    clientService: `${name}-client`,
    boot: `${name}-boot`,
    journal: `${name}-journal`,
    authority: `${name}-ca`,
    serverTls: `${name}-server-tls`,
    peerTls: `${name}-peer-tls`,
    clientTls: `${name}-client-tls`,
    operatorTls: `${name}-operator-tls`,
    operatorAuth: `${name}-operator-auth`,
  };
}

export function podName(cluster: string, ordinal: number): string {
  return `${cluster}-${ordinal}`;
}

export function claimName(cluster: string, ordinal: number): string {
  return `data-${podName(cluster, ordinal)}`;
}

/** A restore has one Job, whoever makes it. */
export function restoreJobName(cluster: string, nonce: string): string {
  return `${cluster}-restore-${digestOf(nonce).slice(0, 8)}`;
}

/** And one that reads its source through before. */
export function checkJobName(cluster: string, nonce: string): string {
  return `${cluster}-check-${digestOf(nonce).slice(0, 8)}`;
}

/** The ordinal of a pod of this cluster; null for any other name. `kv-10` comes after `kv-9`: numbers, never text. */
export function ordinalOf(cluster: string, pod: string): number | null {
  if (!pod.startsWith(`${cluster}-`)) return null;
  const rest = pod.slice(cluster.length + 1);
  return /^(0|[1-9]\d{0,8})$/.test(rest) ? Number(rest) : null;
}

/** As `ordinalOf`, of a claim. */
export function claimOrdinalOf(cluster: string, claim: string): number | null {
  return claim.startsWith("data-") ? ordinalOf(cluster, claim.slice("data-".length)) : null;
}

/** The name under which the pod is found by its peers, and by nobody else. */
export function podHost({ namespace, name }: ClusterKey, pod: string, domain: string): string {
  return `${pod}.${clusterNames(name).peerService}.${namespace}.svc.${domain}`;
}

export function labelsOf(cluster: string): Record<string, string> {
  return {
    "app.kubernetes.io/name": "quorate",
    "app.kubernetes.io/instance": cluster,
    "app.kubernetes.io/managed-by": FIELD_MANAGER,
    [CLUSTER_LABEL]: cluster,
  };
}

const COMPONENT_LABEL = "app.kubernetes.io/component";

/** Of members' pods: Jobs of backups have pods too. */
export function memberLabels(cluster: string): Record<string, string> {
  return { ...labelsOf(cluster), [COMPONENT_LABEL]: "member" };
}

/** What services, policies and the StatefulSet select members by; it never changes. */
export function selectorOf(cluster: string): Record<string, string> {
  return { [CLUSTER_LABEL]: cluster, [COMPONENT_LABEL]: "member" };
}

/** The first 16 hexadecimal digits of the SHA-256 of a value's JSON, whatever the order of its keys. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 16);
}
