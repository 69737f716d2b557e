/**
 * What etcd (3.6) keeps in its database: buckets by name, each with keys and values of its own making.
 *
 * ```
 * key              main, 8 bytes big-endian | '_' | sub, 8 bytes big-endian | 't' if a tombstone -> mvccpb.KeyValue
 * meta             consistent_index, term: 8 bytes big-endian | scheduledCompactRev, finishedCompactRev: a revision, 17 bytes
 *                  confState: JSON | storageVersion: text
 * lease            id, 8 bytes big-endian -> leasepb.Lease
 * alarm            etcdserverpb.AlarmMember -> nothing
 * auth             authEnabled: 1 byte | authRevision: 8 bytes big-endian
 * authUsers        name -> authpb.User
 * authRoles        name -> authpb.Role
 * members          id in hex -> JSON
 * members_removed  id in hex -> "removed"
 * cluster          clusterVersion: text | downgrade: JSON
 * ```
 */
import { readU64, REVISION_KEY_BYTES, writeRevisionKey } from "../../src/mvcc/revision.ts";

export const EtcdBucket = {
  alarm: "alarm",
  auth: "auth",
  roles: "authRoles",
  users: "authUsers",
  cluster: "cluster",
  key: "key",
  lease: "lease",
  members: "members",
  membersRemoved: "members_removed",
  meta: "meta",
} as const;
export type EtcdBucket = (typeof EtcdBucket)[keyof typeof EtcdBucket];

/** In the order of names, which is that of the file. */
export const ETCD_BUCKETS: readonly EtcdBucket[] = Object.values(EtcdBucket).toSorted();

export const MetaKey = {
  consistentIndex: "consistent_index",
  term: "term",
  scheduled: "scheduledCompactRev",
  finished: "finishedCompactRev",
  confState: "confState",
  storageVersion: "storageVersion",
} as const;

/** In the bucket `cluster`; in ours, under the same names in `meta`. */
export const ClusterKey = { version: "clusterVersion", downgrade: "downgrade" } as const;

/** What etcd puts between main and sub. */
const SEPARATOR = 0x5f;
const MAIN_BYTES = 8;
const ETCD_REVISION_BYTES = REVISION_KEY_BYTES + 1;
const TOMBSTONE_MARK = 0x74;

/** Bytes of a revision with the mark of a tombstone. */
export const ETCD_REVISION_BYTES_MAX: number = ETCD_REVISION_BYTES + 1;

/** From the stored key of a revision as we have it (16 or 17 bytes) to etcd's. */
export function toEtcdRevision(revisionKey: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(revisionKey.length + 1);
  bytes.set(revisionKey.subarray(0, MAIN_BYTES), 0);
  bytes[MAIN_BYTES] = SEPARATOR;
  bytes.set(revisionKey.subarray(MAIN_BYTES), MAIN_BYTES + 1);
  return bytes;
}

/** A main revision as etcd writes it. */
export function etcdRevisionOf(main: number): Buffer {
  const key = Buffer.alloc(REVISION_KEY_BYTES);
  writeRevisionKey(key, main, 0);
  return toEtcdRevision(key);
}

/** From etcd's stored revision to ours; null for what is none, or counts beyond the safe integers. */
export function fromEtcdRevision(bytes: Uint8Array): Buffer | null {
  const { length } = bytes;
  const tombstone = length === ETCD_REVISION_BYTES_MAX && bytes[length - 1] === TOMBSTONE_MARK;
  if (length !== ETCD_REVISION_BYTES && !tombstone) return null;
  if (bytes[MAIN_BYTES] !== SEPARATOR) return null;
  const key = Buffer.allocUnsafe(length - 1);
  key.set(bytes.subarray(0, MAIN_BYTES), 0);
  key.set(bytes.subarray(MAIN_BYTES + 1), MAIN_BYTES);
  const isSafe = Number.isSafeInteger(readU64(key, 0)) && Number.isSafeInteger(readU64(key, 8));
  return isSafe ? key : null;
}
