/**
 * The StatefulSet: its template depends on the spec and on what is latched, never on how many members there are or who they are,
 * so that neither scaling nor a newer operator makes any pod anew. Pure.
 */
import { STATEFUL_SET } from "../../api/resources.ts";
import type { DefaultedClusterSpec, QuorateCluster } from "../../api/gen/types.ts";
import type { KubeObject } from "../../kube/api.ts";
import type { AppliedObject } from "../action.ts";
import type { Latched } from "../journal.ts";
import type { Claim } from "../objects.ts";
import { present } from "../../../src/base/assert.ts";
import {
  CLIENT_PORT,
  CONTAINER,
  PEER_PORT,
  PROBE_PORT,
  clusterNames,
  labelsOf,
  memberLabels,
  selectorOf,
} from "../names.ts";
import { buildArguments } from "./arguments.ts";
import { BOOT_DIR, DATA_DIR, PEER_TLS_DIR, SERVER_TLS_DIR, USER_ID } from "./layout.ts";
import { overlayMetadata, overlaySpec } from "./overlay.ts";
import { owned } from "./owned.ts";
import { schedulingOf } from "./scheduling.ts";

/** To hand leadership over and close the store. */
const GRACE_SECONDS = 60;

export interface TemplateInput {
  readonly cluster: QuorateCluster;
  readonly spec: DefaultedClusterSpec;
  readonly latched: Latched;
  /** Secrets that the members mount; null without TLS. */
  readonly secrets: { readonly server: string; readonly peer: string } | null;
}

export interface StatefulSetInput extends TemplateInput {
  readonly replicas: number;
  /** Of the claim template as it is, which cannot be changed. */
  readonly claimSize: string | number;
}

export function buildStatefulSet(input: StatefulSetInput): AppliedObject {
  const { cluster, spec, claimSize, replicas } = input;
  const { name } = cluster.metadata;
  const { resource, object } = owned(cluster, STATEFUL_SET, name, {
    spec: {
      serviceName: clusterNames(name).peerService,
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      selector: { matchLabels: selectorOf(name) },
      template: buildTemplate(input),
      volumeClaimTemplates: [buildClaim(cluster, spec, claimSize)],
    },
  });
  return { resource, object: withReplicas(object, replicas) };
}

/** The number of pods is not part of what is compared. */
function withReplicas(object: KubeObject, replicas: number): KubeObject {
  const held: KubeObject & { spec?: object } = object;
  const scaled: typeof held = { ...held, spec: { ...held.spec, replicas } };
  return scaled;
}

/** As the StatefulSet controller makes them, under the name of the template. */
export function buildClaim(
  { metadata }: QuorateCluster,
  { storage }: DefaultedClusterSpec,
  size: string | number,
): Claim {
  const { storageClassName, accessMode } = storage;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data", labels: labelsOf(metadata.name) },
    spec: {
      accessModes: [accessMode],
      volumeMode: "Filesystem",
      ...(storageClassName === undefined ? {} : { storageClassName }),
      resources: { requests: { storage: String(size) } },
    },
  };
}

export function buildTemplate({ cluster, spec, latched, secrets }: TemplateInput): object {
  const { name, namespace } = cluster.metadata;
  const key = { name, namespace: present(namespace, "a cluster has a namespace") };
  const pod = {
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: GRACE_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(spec.image.pullSecrets === undefined ? {} : { imagePullSecrets: spec.image.pullSecrets }),
    ...schedulingOf(name, spec.scheduling),
    containers: [
      {
        name: CONTAINER,
        image: imageOf(spec, latched),
        imagePullPolicy: spec.image.pullPolicy,
        args: buildArguments(key, spec, latched),
        env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
        ports: [
          { name: "client", containerPort: CLIENT_PORT, protocol: "TCP" },
          { name: "peer", containerPort: PEER_PORT, protocol: "TCP" },
          { name: "probe", containerPort: PROBE_PORT, protocol: "TCP" },
        ],
        // A start may have a long log to read, and liveness is no measure of it: a member without a quorum is alive.
        startupProbe: probe("/livez", { periodSeconds: 1, failureThreshold: 600 }),
        livenessProbe: probe("/livez", { periodSeconds: 10, failureThreshold: 9 }),
        readinessProbe: probe("/ready", { periodSeconds: 2, failureThreshold: 3 }),
        resources: { requests: { cpu: "100m", memory: "256Mi" } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        // What it says last before it gives up is told in the cluster's status.
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: [
          { name: "data", mountPath: DATA_DIR },
          { name: "boot", mountPath: BOOT_DIR, readOnly: true },
          { name: "tmp", mountPath: "/tmp" },
          ...(secrets === null
            ? []
            : [
                { name: "server-tls", mountPath: SERVER_TLS_DIR, readOnly: true },
                { name: "peer-tls", mountPath: PEER_TLS_DIR, readOnly: true },
              ]),
        ],
      },
    ],
    volumes: [
      { name: "boot", configMap: { name: clusterNames(name).boot, optional: true } },
      { name: "tmp", emptyDir: {} },
      ...(secrets === null
        ? []
        : [
            { name: "server-tls", secret: { secretName: secrets.server, defaultMode: 0o440 } },
            { name: "peer-tls", secret: { secretName: secrets.peer, defaultMode: 0o440 } },
          ]),
    ],
  };
  const metadata = overlayMetadata(
    { labels: memberLabels(name), annotations: {} },
    spec.podTemplate,
  );
  return { metadata, spec: overlaySpec(pod, spec.podTemplate) };
}

export function imageOf(spec: DefaultedClusterSpec, latched: Latched): string {
  return `${spec.image.repository ?? latched.repository}:${latched.version}`;
}

function probe(path: string, timing: object): object {
  return { httpGet: { path, port: "probe", scheme: "HTTP" }, timeoutSeconds: 3, ...timing };
}
