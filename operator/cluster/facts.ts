/** Everything that a pass knows. Read anew for each pass; what cannot be read is not the same as what is empty. */
import type { BootFile, BootReport } from "../../src/api/boot.ts";
import type { HistoryHash, MemberEntry, MemberState, RaisedAlarm } from "../admin.ts";
import type { Observation } from "../api/conditions.ts";
import type { QuorateBackup, QuorateCluster, QuorateTask } from "../api/gen/types.ts";
import type { KubeObject } from "../kube/api.ts";
import type { Journal } from "./journal.ts";
import type { CheckProgress, RestoreProgress } from "./restore-port.ts";
import type { Claim, Pod, Secret, StatefulSet } from "./objects.ts";

/** An answer, or why there is none. */
export type Read<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly why: string };

export function known<T>(value: T): Read<T> {
  return { known: true, value };
}

export function unknown<T>(why: string): Read<T> {
  return { known: false, why };
}

export function valueOf<T>(read: Read<T> | undefined): T | null {
  return read?.known === true ? read.value : null;
}

export interface StoredJournal {
  readonly document: Journal;
  readonly resourceVersion: string;
}

export interface StoredBootFiles {
  readonly files: Readonly<Record<string, BootFile>>;
  /** Of the journal that they were rendered from. */
  readonly journalRevision: number;
  readonly resourceVersion: string;
}

/** What the members said of themselves. */
export interface MemberFacts {
  readonly boot: Read<BootReport>;
  readonly state: Read<MemberState>;
  /** The revision that a linearizable read there was answered at. */
  readonly readThrough: Read<number>;
}

export interface Facts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Never seen before: for nonces. */
  readonly entropy: string;
  readonly cluster: QuorateCluster;
  /** Null: there is none. */
  readonly journal: StoredJournal | null;
  readonly bootFiles: StoredBootFiles | null;
  readonly statefulSet: StatefulSet | null;
  /** By name: only those with a name of this cluster. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly claims: ReadonlyMap<string, Claim>;
  /** By pod. */
  readonly members: ReadonlyMap<string, MemberFacts>;
  readonly memberList: Read<readonly MemberEntry[]>;
  readonly alarms: Read<readonly RaisedAlarm[]>;
  /** Claims whose volume is on a node that does not exist any more. */
  readonly strandedClaims: ReadonlySet<string>;
  /** Whether volumes of a storage class may grow, by its name; nothing where it cannot be read, or nobody asked. */
  readonly expandable: ReadonlyMap<string, boolean>;
  /** Of the members' histories at the revision of a comparison under way, by pod. */
  readonly hashes: ReadonlyMap<string, Read<HistoryHash>>;
  /** Of the restore under way; null without one, and as long as its source is being checked. */
  readonly restore: RestoreProgress | null;
  /** Of that check; null without one. */
  readonly check: CheckProgress | null;
  /** By node, as far as nodes can be read. */
  readonly zones: ReadonlyMap<string, string>;
  /** Secrets of the cluster and those that its spec names, by name. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Owned objects as they are, by `kind/name`. */
  readonly owned: ReadonlyMap<string, KubeObject>;
  /** Optional kinds that the API server serves now, by kind. */
  readonly served: ReadonlySet<string>;
  /** Tasks of this cluster, oldest first. */
  readonly tasks: readonly QuorateTask[];
  /** Backups of this cluster. */
  readonly backups: readonly QuorateBackup[];
  readonly backupHealth: Observation<"BackupHealthy">;
  /** Defaults for what is latched when the cluster is made. */
  readonly defaults: OperatorDefaults;
}

/** What the operator itself brings. */
export interface OperatorDefaults {
  readonly version: string;
  /** Without a tag. */
  readonly repository: string;
  readonly layoutRevision: string;
  readonly clusterDomain: string;
}

/** A backup streams from a member now. */
export function isBackupReading({ backups }: Facts): boolean {
  return backups.some(({ status }) => status?.phase === "Running");
}
