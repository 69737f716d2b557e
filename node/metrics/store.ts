/** etcd_mvcc_… and etcd_debugging_…: the store, its history, watchers and leases. Names, types and help are etcd's. */
import { expose, exposeHistograms, type Exposition } from "../exposition.ts";
import type { Member } from "../member.ts";

export function exposeStore(exposition: Exposition, member: Member): void {
  exposeSizes(exposition, member);
  exposeOperations(exposition, member);
  exposeWatchers(exposition, member);
  exposeLeases(exposition, member);
}

function exposeSizes(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", name, help, read);
  gauge(
    "etcd_mvcc_db_total_size_in_bytes",
    "Total size of the underlying database physically allocated in bytes.",
    () => member.dbSize(),
  );
  gauge(
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "Total size of the underlying database logically in use in bytes.",
    () => member.machine.buffer.liveBytes,
  );
  gauge(
    "etcd_mvcc_db_open_read_transactions",
    "The number of currently open read transactions",
    () => member.machine.store.pinCount,
  );
  gauge(
    "etcd_debugging_mvcc_keys_total",
    "Total number of keys.",
    () => member.machine.store.keyCount,
  );
  gauge(
    "etcd_debugging_mvcc_current_revision",
    "The current revision of store.",
    () => member.machine.store.revision,
  );
  gauge(
    "etcd_debugging_mvcc_compact_revision",
    "The revision of the last compaction in store.",
    () => member.machine.store.compactRevision,
  );
  gauge(
    "etcd_debugging_auth_revision",
    "The current revision of auth store.",
    () => member.machine.auth.revision,
  );
  exposeHistograms(
    exposition,
    "etcd_mvcc_hash_duration_seconds",
    "The latency distribution of storage hash operation.",
    () => [[{}, member.stats.hashes]],
  );
  exposeHistograms(
    exposition,
    "etcd_mvcc_hash_rev_duration_seconds",
    "The latency distribution of storage hash by revision operation.",
    () => [[{}, member.stats.revisionHashes]],
  );
}

function exposeOperations(exposition: Exposition, member: Member): void {
  const counter = (name: string, help: string, read: () => number): void =>
    expose(exposition, "counter", name, help, read);
  counter(
    "etcd_mvcc_range_total",
    "Total number of ranges seen by this member.",
    () => member.machine.store.counts.ranges,
  );
  counter(
    "etcd_mvcc_put_total",
    "Total number of puts seen by this member.",
    () => member.machine.store.counts.puts,
  );
  counter(
    "etcd_mvcc_delete_total",
    "Total number of deletes seen by this member.",
    () => member.machine.store.counts.deletes,
  );
  counter(
    "etcd_mvcc_txn_total",
    "Total number of txns seen by this member.",
    () => member.machine.store.counts.txns,
  );
  expose(
    exposition,
    "gauge",
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "The total size of put kv pairs seen by this member.",
    () => member.machine.store.counts.putBytes,
  );
  counter(
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "Total number of db keys compacted.",
    () => member.machine.store.counts.compactedRecords,
  );
}

function exposeWatchers(exposition: Exposition, member: Member): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", `etcd_debugging_mvcc_${name}`, help, read);
  gauge("watch_stream_total", "Total number of watch streams.", () => member.watch.streamCount);
  gauge("watcher_total", "Total number of watchers.", () => member.watch.watcherCount);
  gauge(
    "slow_watcher_total",
    "Total number of unsynced slow watchers.",
    () => member.watch.slowWatcherCount,
  );
  gauge(
    "pending_events_total",
    "Total number of pending events to be sent.",
    () => member.watch.backlog().pendingEvents,
  );
  expose(
    exposition,
    "counter",
    "etcd_debugging_mvcc_events_total",
    "Total number of events sent by this member.",
    () => member.watch.eventsDelivered,
  );
}

function exposeLeases(exposition: Exposition, member: Member): void {
  const counter = (name: string, help: string, read: () => number): void =>
    expose(exposition, "counter", `etcd_debugging_${name}`, help, read);
  counter(
    "lease_granted_total",
    "The total number of granted leases.",
    () => member.machine.lessor.grantedCount,
  );
  counter(
    "lease_revoked_total",
    "The total number of revoked leases.",
    () => member.machine.lessor.revokedCount,
  );
  counter(
    "lease_renewed_total",
    "The number of renewed leases seen by the leader.",
    () => member.leases.renewedCount,
  );
  counter(
    "server_lease_expired_total",
    "The total number of expired leases.",
    () => member.leases.expiredCount,
  );
}
