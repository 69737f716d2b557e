/** The Jobs that transfers run in. Pure. */
import type { DefaultedBackupSpec, DefaultedS3StoreSpec } from "../api/gen/types.ts";
import { CLIENT_PORT, type ClusterKey, clusterNames } from "../cluster/names.ts";
import { USER_ID } from "../cluster/component/layout.ts";
import { PASSWORDS_KEY } from "../cluster/operation/auth.ts";
import type { Place } from "../cluster/restore-port.ts";
import type { Scheme } from "../cluster/transport.ts";
import type { OwnerReference } from "../kube/api.ts";
import { BACKUP_LABEL, jobNameOf } from "./names.ts";
import type { Job, Mount, PodSpec, Volume } from "./objects.ts";
import { EXIT_LASTING } from "./transfer/result.ts";

/** What Jobs run. */
export interface TransferImage {
  /** With its tag. */
  readonly image: string;
  readonly pullPolicy: "IfNotPresent" | "Always" | "Never";
  readonly pullSecrets: readonly { readonly name: string }[];
}

/** `app.kubernetes.io/name` of Jobs and their pods. */
export const TRANSFER_NAME = "quorate-transfer";
export const CONTAINER = "transfer";
/** Where claims with backups are mounted. */
export const CLAIM_ROOT = "/mnt/backups";
const STORE_CA_DIR = "/etc/quorate/store-ca";
const AUTH_DIR = "/etc/quorate/auth";
const TLS_DIR = "/etc/quorate/tls/operator";
const TERMINATION_FILE = "/dev/termination-log";
const CREDENTIALS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] as const;
/** After 10, 20 and 40 s; an attempt that finds the backup complete tells so. */
const ATTEMPTS_AGAIN = 3;
/** For taking back what is half uploaded. */
const GRACE_SECONDS = 30;
/** What streams needs the same for any size. */
export const MEMORY_LIMIT = "1Gi";
/** Its result is in a status by then; where it is not, it is made again and tells it again. */
const KEPT_SECONDS = 86_400;
/** Whoever deletes a file waits for nobody. */
const DELETE_DEADLINE_SECONDS = 600;

export interface BackupJobInput {
  readonly backup: BackupIdentity;
  readonly spec: DefaultedBackupSpec;
  readonly place: Place;
  readonly cluster: SourceCluster;
  readonly image: TransferImage;
}

export interface BackupIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface SourceCluster extends ClusterKey {
  /** Whether the operator's certificate is root's to the members; else they may ask for the password. */
  readonly isNamed: boolean;
  readonly members: readonly SourceMember[];
  /** Of the members' build; null: not known. */
  readonly version: string | null;
}

export interface SourceMember {
  readonly pod: string;
  /** That it serves now: between with TLS and without they differ. */
  readonly scheme: Scheme;
}

export function buildBackupJob(input: BackupJobInput): Job {
  const { backup, spec, place, cluster } = input;
  const has = (wanted: Scheme): boolean => cluster.members.some(({ scheme }) => scheme === wanted);
  const { peerService, operatorTls, operatorAuth } = clusterNames(cluster.name);
  const endpoints = cluster.members.map(
    ({ pod, scheme }) =>
      `${scheme}://${pod}.${peerService}.${cluster.namespace}.svc:${CLIENT_PORT}`,
  );
  const tls: Attached = has("https")
    ? attachSecret("operator-tls", operatorTls, TLS_DIR, `--tls-dir=${TLS_DIR}`)
    : NOTHING;
  // Where there is no TLS no certificate names anybody.
  const isNamed = cluster.isNamed && !has("http");
  const auth: Attached = isNamed ? NOTHING : attachPasswords(operatorAuth);
  return buildJob({
    ...commonOf(input, "backup"),
    deadlineSeconds: spec.activeDeadlineSeconds,
    args: [
      "backup",
      ...identityArguments(backup, spec),
      `--cluster=${cluster.name}`,
      ...(cluster.version === null ? [] : [`--server-version=${cluster.version}`]),
      `--endpoints=${endpoints.join(",")}`,
      `--source=${spec.source}`,
      `--compression=${spec.compression}`,
      ...(spec.verify ? ["--verify"] : []),
    ],
    attached: [attachPlace(place, false), tls, auth],
  });
}

/** Removes what the backup has stored. */
export function buildDeleteJob(input: Omit<BackupJobInput, "cluster">): Job {
  const { backup, spec, place } = input;
  return buildJob({
    ...commonOf(input, "delete"),
    deadlineSeconds: DELETE_DEADLINE_SECONDS,
    args: ["delete", ...identityArguments(backup, spec)],
    attached: [attachPlace(place, false)],
  });
}

function commonOf(
  { backup, image }: Pick<BackupJobInput, "backup" | "image">,
  purpose: "backup" | "delete",
): Pick<JobInput, "namespace" | "image" | "name" | "owner" | "labels" | "memoryLimit"> {
  const { namespace, name } = backup;
  return {
    namespace,
    image,
    name: jobNameOf(name, purpose),
    owner: ownerOf(backup),
    labels: { [BACKUP_LABEL]: name },
    memoryLimit: MEMORY_LIMIT,
  };
}

function identityArguments(backup: BackupIdentity, spec: DefaultedBackupSpec): string[] {
  const path = pathOf(spec);
  return [
    `--backup-namespace=${backup.namespace}`,
    `--backup-name=${backup.name}`,
    `--backup-uid=${backup.uid}`,
    ...(path === null ? [] : [`--path=${path}`]),
  ];
}

/** Of the folder that holds all backups of a destination; null: the root. */
export function pathOf({ destination }: Pick<DefaultedBackupSpec, "destination">): string | null {
  const path = destination.pvc === undefined ? destination.path : destination.pvc.subPath;
  return path === undefined || path === "" ? null : path;
}

function ownerOf({ name, uid }: BackupIdentity): OwnerReference {
  return {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateBackup",
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Something that a pod has to have, and the flags that say where. */
export interface Attached {
  readonly args: readonly string[];
  readonly volumes: readonly Volume[];
  readonly mounts: readonly Mount[];
  readonly env: readonly { readonly name: string }[];
  /** Whose rights the pod has; null: nobody's. */
  readonly serviceAccountName: string | null;
}

const NOTHING: Attached = { args: [], volumes: [], mounts: [], env: [], serviceAccountName: null };

function attachSecret(name: string, secretName: string, mountPath: string, arg: string): Attached {
  return {
    ...NOTHING,
    args: [arg],
    volumes: [{ name, secret: { secretName, defaultMode: 0o440 } }],
    mounts: [{ name, mountPath, readOnly: true }],
  };
}

/** There is such a Secret only where authentication was asked for. */
function attachPasswords(secretName: string): Attached {
  const arg = `--root-passwords=${AUTH_DIR}/${PASSWORDS_KEY}`;
  const attached = attachSecret("operator-auth", secretName, AUTH_DIR, arg);
  const secret = { secretName, defaultMode: 0o440, optional: true };
  return { ...attached, volumes: [{ name: "operator-auth", secret }] };
}

export function attachPlace(place: Place, readOnly: boolean): Attached {
  if (place.kind === "claim") {
    const { claimName } = place;
    return {
      ...NOTHING,
      args: ["--store=claim", `--claim-root=${CLAIM_ROOT}`],
      volumes: [{ name: "backups", persistentVolumeClaim: { claimName, readOnly } }],
      mounts: [{ name: "backups", mountPath: CLAIM_ROOT, readOnly }],
    };
  }
  const { s3 } = place;
  const ca =
    s3.caSecretRef === undefined
      ? NOTHING
      : attachSecret(
          "store-ca",
          s3.caSecretRef.name,
          STORE_CA_DIR,
          `--s3-ca-file=${STORE_CA_DIR}/ca.crt`,
        );
  return {
    ...ca,
    args: [
      "--store=s3",
      `--s3-bucket=${s3.bucket}`,
      `--s3-region=${s3.region}`,
      `--s3-checksums=${s3.checksums}`,
      ...(s3.endpoint === undefined ? [] : [`--s3-endpoint=${s3.endpoint}`]),
      ...(s3.forcePathStyle ? ["--s3-path-style"] : []),
      ...ca.args,
    ],
    env: credentialsOf(s3),
    serviceAccountName: s3.serviceAccountName ?? null,
  };
}

function credentialsOf({ credentialsSecretRef }: DefaultedS3StoreSpec): Attached["env"] {
  if (credentialsSecretRef === undefined) return [];
  const { name: secret } = credentialsSecretRef;
  return CREDENTIALS.map((key) => ({
    name: key,
    valueFrom: {
      secretKeyRef: {
        name: secret,
        key,
        ...(key === "AWS_SESSION_TOKEN" ? { optional: true } : {}),
      },
    },
  }));
}

export interface JobInput {
  readonly namespace: string;
  readonly image: TransferImage;
  readonly name: string;
  readonly owner: OwnerReference;
  readonly deadlineSeconds: number;
  /** After `transfer`. */
  readonly args: readonly string[];
  readonly attached: readonly Attached[];
  readonly labels: Readonly<Record<string, string>>;
  /** Null: as much as its node has. */
  readonly memoryLimit: string | null;
  /** After its end; a day unless given. */
  readonly keptSeconds?: number;
  /** Of the pod's spec: where it may run. */
  readonly scheduling?: Readonly<Record<string, unknown>>;
}

/** Nobody's member: neither Services nor budgets of a cluster may select the pods. */
export function buildJob(input: JobInput): Job {
  const { namespace, name, owner, deadlineSeconds } = input;
  const labels = {
    ...input.labels,
    "app.kubernetes.io/name": TRANSFER_NAME,
    "app.kubernetes.io/managed-by": "quorate-operator",
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace, labels, ownerReferences: [owner] },
    spec: {
      activeDeadlineSeconds: deadlineSeconds,
      backoffLimit: ATTEMPTS_AGAIN,
      ttlSecondsAfterFinished: input.keptSeconds ?? KEPT_SECONDS,
      podFailurePolicy: {
        rules: [
          // A node that goes away is nobody's failure.
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          {
            action: "FailJob",
            onExitCodes: { containerName: CONTAINER, operator: "In", values: [EXIT_LASTING] },
          },
        ],
      },
      template: { metadata: { labels }, spec: buildPod(input) },
    },
  };
}

function buildPod(input: JobInput): PodSpec {
  const { image, args, attached, memoryLimit, scheduling = {} } = input;
  const account = attached.flatMap(({ serviceAccountName }) => serviceAccountName ?? [])[0];
  return {
    ...scheduling,
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: GRACE_SECONDS,
    ...(account === undefined ? {} : { serviceAccountName: account }),
    ...(image.pullSecrets.length === 0 ? {} : { imagePullSecrets: image.pullSecrets }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: CONTAINER,
        image: image.image,
        imagePullPolicy: image.pullPolicy,
        command: ["quorate-operator"],
        args: [
          "transfer",
          ...args,
          ...attached.flatMap((each) => each.args),
          `--result=${TERMINATION_FILE}`,
        ],
        env: attached.flatMap(({ env }) => env),
        resources: {
          requests: { cpu: "100m", memory: "256Mi" },
          ...(memoryLimit === null ? {} : { limits: { memory: memoryLimit } }),
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        terminationMessagePath: TERMINATION_FILE,
        // Who is killed before it can say why has said something to its log.
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: attached.flatMap(({ mounts }) => mounts),
      },
    ],
    volumes: attached.flatMap(({ volumes }) => volumes),
  };
}
