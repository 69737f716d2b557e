/** QuorateBackup, QuorateBackupSchedule and QuorateBackupStore: their specs and statuses. */
import { boolean, choice, int32, int64, list, object, string, time } from "./node.ts";
import type { ObjectNode } from "./node.ts";
import { CRON, CRON_RULES } from "./cron.ts";
import {
  annotations,
  conditions,
  dnsSubdomain,
  folder,
  labels,
  localReference,
  observedGeneration,
  timeZone,
} from "./shared.ts";

const TEXT = { maxLength: 32768 } as const;
const WORD = { maxLength: 253 } as const;

const destination: ObjectNode = object(
  "BackupDestination",
  "Where the snapshot goes: storeRef or pvc.",
  {
    storeRef: localReference("A QuorateBackupStore."),
    path: folder("Begins the key in the store; the backup's own name follows. Only with storeRef."),
    pvc: object("ClaimLocation", "A claim of the same namespace, which the Job mounts.", {
      claimName: dnsSubdomain("Name of the PersistentVolumeClaim.", { required: true }),
      subPath: folder("Folder on the volume; absent: its root."),
    }),
  },
  {
    required: true,
    rules: [
      {
        rule: "has(self.storeRef) != has(self.pvc)",
        message:
          "exactly one of destination.storeRef and destination.pvc must be set: keep one and remove the other",
      },
      {
        rule: "!has(self.path) || has(self.storeRef)",
        message: "destination.path is for storeRef: with pvc, use pvc.subPath",
        fieldPath: ".path",
      },
    ],
  },
);

/** Required where a person writes it; a schedule's template holds the same. */
export function backupSpec(doc: string): ObjectNode {
  return object(
    "QuorateBackupSpec",
    doc,
    {
      clusterRef: localReference("The QuorateCluster to back up.", { required: true }),
      source: choice(
        "Which member the snapshot is read from: PreferFollower spares the leader.",
        ["PreferFollower", "Leader", "Any"],
        { value: "PreferFollower" },
      ),
      destination,
      compression: choice("Of the stored file.", ["Gzip", "None"], { value: "Gzip" }),
      verify: boolean("Read the stored file back and check every byte before the backup counts.", {
        value: true,
      }),
      deletionPolicy: choice(
        "What becomes of the stored file when this object is deleted.",
        ["Retain", "Delete"],
        { value: "Retain" },
      ),
      activeDeadlineSeconds: int32("How long the transfer may take.", {
        value: 900,
        minimum: 30,
        maximum: 86400,
      }),
    },
    { required: true },
  );
}

export const BACKUP_SPEC: ObjectNode = {
  ...backupSpec("What to save, and where to. Cannot be changed: make another QuorateBackup."),
  rules: [
    {
      rule: "self == oldSelf",
      message:
        "spec cannot be changed: it says what this backup was made from; create another QuorateBackup",
    },
  ],
};

export const BACKUP_STATUS: ObjectNode = object("QuorateBackupStatus", "What became of it.", {
  observedGeneration: observedGeneration(),
  phase: choice("Where it stands.", ["Pending", "Running", "Complete", "Failed", "Deleting"]),
  message: string("What it waits for, or why it failed.", TEXT),
  member: string("Member that the snapshot was read from.", WORD),
  jobName: string("Job that transfers it.", WORD),
  revision: int64("Revision of the store that it holds.", { minimum: 0 }),
  clusterID: string("Id of the cluster, hexadecimal.", WORD),
  clusterUID: string("UID of the QuorateCluster.", WORD),
  serverVersion: string("Version of the member.", WORD),
  sizeBytes: int64("Size of the snapshot, before compression.", { minimum: 0 }),
  storedBytes: int64("Size of the stored file.", { minimum: 0 }),
  sha256: string("SHA-256 of the stored file, hexadecimal.", { maxLength: 64 }),
  uri: string("Where the file is: s3://bucket/key or pvc://claim/path.", { maxLength: 2048 }),
  authEnabled: boolean(
    "Whether authentication was on: then a restored cluster knows the passwords of that time.",
  ),
  verified: boolean("Whether the stored file was read back and is whole."),
  startedAt: time("When the transfer began."),
  completedAt: time("When it was complete or had failed."),
  conditions: conditions("Complete, Failed, Reconciling, Stalled."),
});

function kept(doc: string): ReturnType<typeof int32> {
  return int32(doc, { minimum: 1, maximum: 1000 });
}

const retention: ObjectNode = object(
  "BackupRetention",
  "Which backups of this schedule are kept: the union of what is given; absent: all. One is deleted only after a newer one was " +
    "verified.",
  {
    keepLast: kept("The newest ones."),
    hourly: kept("The newest of each of the last hours that have one."),
    daily: kept("The newest of each of the last days that have one."),
    weekly: kept("The newest of each of the last weeks that have one."),
    monthly: kept("The newest of each of the last months that have one."),
  },
  {
    rules: [
      {
        rule: "has(self.keepLast) || has(self.hourly) || has(self.daily) || has(self.weekly) || has(self.monthly)",
        message:
          "retention must say what is kept: set keepLast, hourly, daily, weekly or monthly, or remove retention to keep all",
      },
    ],
  },
);

export const SCHEDULE_SPEC: ObjectNode = object(
  "QuorateBackupScheduleSpec",
  "When to back up, and what to keep.",
  {
    schedule: string(
      'When: five fields as cron has them, "0 */6 * * *", or @hourly, @daily, @weekly, @monthly, @yearly.',
      { required: true, maxLength: 128, pattern: CRON, rules: CRON_RULES },
    ),
    timeZone: timeZone("Time zone of the schedule, by its IANA name."),
    suspend: boolean("Make no backups for now.", { value: false }),
    immediate: boolean(
      "Make the first backup at once instead of at the first time of the schedule.",
      { value: false },
    ),
    concurrencyPolicy: choice(
      "When the one before is not done yet: Forbid skips this time, Replace gives the one before up.",
      ["Forbid", "Replace"],
      { value: "Forbid" },
    ),
    startingDeadlineSeconds: int32("How late a backup may begin and still count for its time.", {
      value: 1800,
      minimum: 10,
      maximum: 604800,
    }),
    retention,
    backupTemplate: object(
      "BackupTemplate",
      "What is made each time.",
      {
        metadata: object("BackupTemplateMetadata", "Labels and annotations of the backups.", {
          labels: labels("Labels to add.", 32),
          annotations: annotations("Annotations to add.", 32),
        }),
        spec: backupSpec("Spec of the backups."),
      },
      { required: true },
    ),
  },
  { required: true },
);

export const SCHEDULE_STATUS: ObjectNode = object("QuorateBackupScheduleStatus", "What was made.", {
  observedGeneration: observedGeneration(),
  lastScheduleTime: time("Time of the schedule for which a backup was last made."),
  nextScheduleTime: time("When the next one is due."),
  lastSuccessTime: time("When one was last complete."),
  lastBackup: string("Name of the newest QuorateBackup.", WORD),
  lastRevision: int64("Revision of the newest that is complete.", { minimum: 0 }),
  active: list("Names of those that are not done.", string("Name of a QuorateBackup.", WORD), {
    maxItems: 16,
    keys: [],
  }),
  kept: int32("Complete backups of this schedule that there are.", { minimum: 0 }),
  missed: int32("Times that passed without a backup since the last success.", { minimum: 0 }),
  message: string("What it waits for, or why the last one failed.", TEXT),
  conditions: conditions("Ready, Reconciling, Stalled."),
});

const s3: ObjectNode = object(
  "S3StoreSpec",
  "A bucket of S3, or of something that speaks it.",
  {
    bucket: string("Name of the bucket.", {
      required: true,
      minLength: 3,
      maxLength: 63,
      pattern: {
        regex: "^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        says: "must be the name of a bucket: lowercase letters, digits, hyphens and dots",
      },
    }),
    region: string("Region; stores that have none do not mind.", {
      value: "us-east-1",
      minLength: 1,
      maxLength: 64,
      pattern: { regex: "^[A-Za-z0-9-]+$", says: "must be a region, such as eu-central-1" },
    }),
    endpoint: string("URL of the service; absent: Amazon's for the region.", {
      maxLength: 512,
      pattern: {
        regex: "^https?://[^\\s/?#]+(/[^\\s?#]*)?$",
        says: 'must be a URL that begins with https:// or http://, such as "https://minio.storage:9000"',
      },
    }),
    forcePathStyle: boolean(
      "The bucket in the path instead of in the host name: most stores beside Amazon's need it.",
      { value: false },
    ),
    checksums: choice(
      "WhenRequired sends no checksums that older stores refuse; WhenSupported is Amazon's own default.",
      ["WhenRequired", "WhenSupported"],
      { value: "WhenRequired" },
    ),
    caSecretRef: localReference(
      "A Secret whose key ca.crt holds the authorities of the endpoint; absent: the usual ones.",
    ),
    credentialsSecretRef: localReference(
      "A Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if need be; absent: what the pod's surroundings offer.",
    ),
    serviceAccountName: dnsSubdomain(
      "ServiceAccount of the Jobs that transfer, where it carries the credentials; absent: one without rights.",
    ),
  },
  { required: true },
);

export const STORE_SPEC: ObjectNode = object(
  "QuorateBackupStoreSpec",
  "Where snapshots are kept.",
  { s3 },
  { required: true },
);

export const STORE_STATUS: ObjectNode = object(
  "QuorateBackupStoreStatus",
  "Whether the store can be used.",
  {
    observedGeneration: observedGeneration(),
    message: string("What is missing.", TEXT),
    conditions: conditions("Ready, Stalled."),
  },
);
