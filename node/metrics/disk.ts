/** etcd_disk_… and os_fd_…: the log, the store's files, descriptors. Names, types and buckets are etcd's. */
import { readdirSync, readFileSync } from "node:fs";
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
  expose(exposition, "gauge", "os_fd_used", "The number of used file descriptors.", () =>
    countDescriptors(),
  );
  expose(exposition, "gauge", "os_fd_limit", "The file descriptor limit.", () => {
    limit ??= descriptorLimit();
    return limit;
  });
}

let limit: number | null = null;

function countDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

function descriptorLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
