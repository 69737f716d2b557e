/** One pass over one QuorateBackupStore: is it there, and do these credentials open it? */
import { withStoreDefaults } from "../api/apply-defaults.ts";
import { type ConditionStatus, type Observation, setConditions } from "../api/conditions.ts";
import { QUORATE_BACKUP_STORE, SECRET } from "../api/resources.ts";
import type {
  DefaultedS3StoreSpec,
  QuorateBackupStore,
  QuorateBackupStoreStatus,
} from "../api/gen/types.ts";
import { findCondition } from "../api/conditions.ts";
import type { Secret } from "../cluster/objects.ts";
import type { KubeApi, ObjectRef } from "../kube/api.ts";
import { timeText } from "./backup-facts.ts";
import { type BackupHost, NOTHING_MORE, type Outcome, tellStatus } from "./controller.ts";
import { type S3Credentials, type S3Settings, openS3 } from "./s3.ts";
import { StoreError, type StoreErrorKind } from "./store.ts";

/** Asks a store once, in a few seconds; rejects with a `StoreError`. `probeS3` does it over the network. */
export type Probe = (settings: S3Settings, signal: AbortSignal) => Promise<void>;

const PROBE_MS = 10_000;
/** Nobody tells us when a Secret or a bucket changes. */
const LOOK_MS = 600_000;
const LOOK_AGAIN_MS = 60_000;

export async function probeS3(settings: S3Settings, signal: AbortSignal): Promise<void> {
  const store = await openS3(settings, { connectMs: 5_000, idleMs: 5_000, attempts: 1 });
  try {
    await store.probe(signal);
  } finally {
    store.close();
  }
}

interface Found {
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
}

export async function reconcileStore(
  host: BackupHost,
  probe: Probe,
  ref: ObjectRef,
): Promise<Outcome> {
  const { kube } = host;
  const store = await kube.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, ref);
  if (store === null || store.metadata.deletionTimestamp !== undefined) return NOTHING_MORE;
  const found = await examine(kube, probe, store);
  const status = statusOf(store, found, host.wall());
  const isNews = findCondition(store.status?.conditions, "Ready")?.reason !== found.reason;
  if ((await tellStatus(kube, QUORATE_BACKUP_STORE, store, status)) && isNews) {
    const type = found.status === "False" ? "Warning" : "Normal";
    host.recorder.event(store, type, found.reason, found.message);
  }
  return { afterMs: found.status === "True" ? LOOK_MS : LOOK_AGAIN_MS };
}

async function examine(kube: KubeApi, probe: Probe, store: QuorateBackupStore): Promise<Found> {
  const { namespace = "" } = store.metadata;
  const { s3 } = withStoreDefaults(store.spec);
  const settings = await settingsOf(kube, namespace, s3);
  if ("reason" in settings) return settings;
  const isOurs = settings.credentials !== null;
  try {
    await probe(
      { ...settings, credentials: settings.credentials ?? STRANGER },
      AbortSignal.timeout(PROBE_MS),
    );
    return { status: "True", reason: "Reachable", message: `s3://${s3.bucket} can be read` };
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    const isRefused = thrown.kind === "credentials" || thrown.kind === "denied";
    if (isOurs || !isRefused) return FINDINGS[thrown.kind](thrown.message);
    // The store has answered somebody without rights: that is all that can be seen from here.
    const whose =
      s3.serviceAccountName === undefined
        ? "the Job's surroundings"
        : `the ServiceAccount ${s3.serviceAccountName}`;
    const message = `the store answers; its credentials come from ${whose}, so that only a backup can tell whether they are good`;
    return { status: "Unknown", reason: "CredentialsNotSeen", message };
  }
}

/** Of nobody: the operator's own rights say nothing about those of Jobs. */
const STRANGER: S3Credentials = {
  accessKeyId: "quorate-operator",
  secretAccessKey: "quorate-operator",
  sessionToken: null,
};

function bad(reason: string): (message: string) => Found {
  return (message) => ({ status: "False", reason, message });
}

const FINDINGS: Readonly<Record<StoreErrorKind, (message: string) => Found>> = {
  unreachable: bad("Unreachable"),
  aborted: bad("Unreachable"),
  credentials: bad("CredentialsRefused"),
  denied: bad("AccessDenied"),
  notFound: bad("BucketNotFound"),
  conflict: bad("Failed"),
  full: bad("Full"),
  failed: bad("Failed"),
};

/** As a client of the store needs them; what is missing, where something is. */
export async function settingsOf(
  kube: KubeApi,
  namespace: string,
  s3: DefaultedS3StoreSpec,
): Promise<S3Settings | Found> {
  const { caSecretRef, credentialsSecretRef } = s3;
  const read = async (name: string): Promise<Secret | null> =>
    await kube.get<Secret>(SECRET, { namespace, name });
  let ca: string | null = null;
  if (caSecretRef !== undefined) {
    ca = valueOf(await read(caSecretRef.name), "ca.crt");
    if (ca === null) return missing(caSecretRef.name, "ca.crt");
  }
  let credentials: S3Credentials | null = null;
  if (credentialsSecretRef !== undefined) {
    const { name } = credentialsSecretRef;
    const secret = await read(name);
    const accessKeyId = valueOf(secret, "AWS_ACCESS_KEY_ID");
    const secretAccessKey = valueOf(secret, "AWS_SECRET_ACCESS_KEY");
    if (accessKeyId === null) return missing(name, "AWS_ACCESS_KEY_ID");
    if (secretAccessKey === null) return missing(name, "AWS_SECRET_ACCESS_KEY");
    const sessionToken = valueOf(secret, "AWS_SESSION_TOKEN");
    credentials = { accessKeyId, secretAccessKey, sessionToken };
  }
  const { bucket, region, endpoint = null, forcePathStyle, checksums } = s3;
  return { bucket, region, endpoint, forcePathStyle, checksums, ca, credentials };
}

function valueOf(secret: Secret | null, key: string): string | null {
  const value = secret?.data?.[key];
  return value === undefined ? null : Buffer.from(value, "base64").toString("utf8").trim();
}

function missing(secret: string, key: string): Found {
  const message = `there is no Secret ${secret} with the key ${key}: make it`;
  return { status: "False", reason: "SecretNotFound", message };
}

function statusOf(
  { metadata, status: before }: QuorateBackupStore,
  { status, reason, message }: Found,
  now: number,
): QuorateBackupStoreStatus {
  const generation = metadata.generation ?? 1;
  const told = (type: string, holds: ConditionStatus): Observation => ({
    type,
    status: holds,
    reason,
    message,
  });
  // A store that does not answer now may do so later: only what a person must change has stalled.
  const needsPerson = status === "False" && reason !== "Unreachable" && reason !== "Failed";
  const observations = [told("Ready", status), told("Stalled", needsPerson ? "True" : "False")];
  return {
    observedGeneration: generation,
    message: status === "True" ? "" : message,
    conditions: setConditions(before?.conditions, observations, generation, timeText(now)),
  };
}
