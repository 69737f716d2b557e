/** etcd_disk_…: the log and the store's files. Names, types and buckets are etcd's. */
import { expose, exposeHistograms, type Exposition } from "../exposition.ts";
import type { HandHistogram } from "../histogram.ts";
import type { Member } from "../member.ts";

export function exposeDisk(exposition: Exposition, member: Member): void {
  const { stats } = member;
  const histogram = (name: string, help: string, of: HandHistogram): void =>
    exposeHistograms(exposition, `etcd_disk_${name}`, help, () => [[{}, of]]);
  histogram(
    "wal_fsync_duration_seconds",
    "The latency distributions of durable writes of the log: write and sync are one.",
    stats.logWrites,
  );
  histogram(
    "backend_commit_duration_seconds",
    "The latency distributions of commit called by backend.",
    stats.storeCommits,
  );
  histogram(
    "backend_defrag_duration_seconds",
    "The latency distribution of backend defragmentation.",
    stats.defragmentations,
  );
  histogram(
    "backend_snapshot_duration_seconds",
    "The latency distribution of backend snapshots.",
    stats.snapshots,
  );
  expose(
    exposition,
    "gauge",
    "etcd_disk_defrag_inflight",
    "Whether or not defrag is active on the member. 1 means active, 0 means not.",
    () => (stats.defragmenting > 0 ? 1 : 0),
  );
  // A gauge in etcd, although it only grows.
  expose(
    exposition,
    "gauge",
    "etcd_disk_wal_write_bytes_total",
    "Total number of bytes written in WAL.",
    () => member.wal.counters.bytes,
  );
}
