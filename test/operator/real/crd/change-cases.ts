/** What of an object may change once it is there. */
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../../operator/api/resources.ts";
import { Table } from "./bases.ts";
import type { Case, Edits } from "./case.ts";

export function changeCases(): readonly Case[] {
  const cluster = new Table(QUORATE_CLUSTER);
  scaling(cluster);
  storage(cluster);
  security(cluster);
  bootstrap(cluster);
  return [...cluster.cases, ...backups(), ...tasks(), ...mutable()];
}

function scaling(table: Table): void {
  for (const [from, to] of [
    [1, 3],
    [3, 5],
    [5, 1],
    [3, 0],
    [0, 3],
  ] as const)
    table.acceptChange(`${from} replicas may become ${to}`, { replicas: from }, { replicas: to });
  table.refuseChange(
    "3 replicas may not become 4",
    { replicas: 3 },
    { replicas: 4 },
    "spec.replicas",
    "Use an odd number",
  );
  const even = { replicas: 4, "unsafe.evenReplicas": true };
  table.refuseChange(
    "the leave for an even number stays while there is one",
    even,
    { replicas: 4 },
    "spec.replicas",
    "set unsafe.evenReplicas",
  );
}

function storage(table: Table): void {
  const size = (text: string | number): Edits => ({ "storage.size": text });
  table.acceptChange("volumes grow", size("8Gi"), size("9Gi"));
  table.acceptChange("a size may be written otherwise", size("8Gi"), size("8192Mi"));
  table.acceptChange("a size may become a number", size("8Gi"), size(8_589_934_592));
  for (const less of ["8191Mi", "8G", "1Gi", 8_589_934_591])
    table.refuseChange(
      `8Gi do not shrink to ${less}`,
      size("8Gi"),
      size(less),
      "spec.storage.size",
      "can grow and never shrink",
    );
  table.acceptChange(
    "the quota may go down",
    { "server.quotaBackend": "3Gi" },
    { "server.quotaBackend": "1Gi" },
  );
  const growth = { "storage.size": "20Gi", "server.quotaBackend": "9Gi" };
  table.acceptChange("quota and volume grow together", {}, growth);

  const klass = (name?: string): Edits => ({ "storage.storageClassName": name });
  const says = "restore a backup into a new cluster";
  const at = "spec.storage.storageClassName";
  table.acceptChange("the same class", klass("fast"), klass("fast"));
  table.refuseChange("another class", klass("fast"), klass("slow"), at, says);
  table.refuseChange("a class where there was none", klass(), klass("slow"), at, says);
  table.refuseChange("no class where there was one", klass("fast"), klass(), at, says);
  const mode = (name: string): Edits => ({ "storage.accessMode": name });
  table.refuseChange(
    "another access mode",
    mode("ReadWriteOncePod"),
    mode("ReadWriteOnce"),
    "spec.storage.accessMode",
    says,
  );
  const retention = { "storage.retention.onDelete": "Delete" };
  table.acceptChange("the retention of volumes", {}, retention);
}

function security(table: Table): void {
  const issuer = (value: object): Edits => ({ "tls.client.issuer": value as never });
  const certManager = { certManager: { issuerRef: { name: "ca" } } };
  table.acceptChange("another issuer", issuer({ operatorCA: {} }), issuer(certManager));
  table.acceptChange("an issuer where there was none", { tls: {} }, issuer(certManager));
  table.acceptChange("no TLS section where there was one", issuer(certManager), {});
  table.acceptChange("clients without certificates", {}, { "tls.client.mode": "Server" });
  for (const to of [true, false])
    table.acceptChange(
      `unsafe.plaintext may become ${to}`,
      { "unsafe.plaintext": !to },
      { "unsafe.plaintext": to },
    );
  const open = { "unsafe.acceptPlaintext": true };
  table.acceptChange("clients without TLS, for a while", {}, open);
  table.acceptChange("no clients without TLS any more", open, {});
  table.acceptChange("TLS, at first for whom it suits", { "unsafe.plaintext": true }, open);
  table.acceptChange("no TLS where an issuer was named", issuer({ operatorCA: {} }), {
    "unsafe.plaintext": true,
  });
  table.refuseChange(
    "no TLS at all while clients without it are served beside it",
    open,
    { ...open, "unsafe.plaintext": true },
    "spec.unsafe.acceptPlaintext",
    "remove one of them",
  );
}

function bootstrap(table: Table): void {
  const from = (name?: string): Edits => ({
    bootstrap: name === undefined ? undefined : { restoreFrom: { backupRef: { name } } },
  });
  const says = "create a QuorateTask with restore";
  table.acceptChange("the same bootstrap", from("a"), { ...from("a"), replicas: 5 });
  table.refuseChange("another bootstrap", from("a"), from("b"), "spec.bootstrap", says);
  table.refuseChange("a bootstrap for one that exists", from(), from("b"), "spec.bootstrap", says);
  table.refuseChange("no bootstrap any more", from("a"), from(), "spec.bootstrap", says);
}

function backups(): readonly Case[] {
  const table = new Table(QUORATE_BACKUP);
  const says = "create another QuorateBackup";
  table.acceptChange("a backup that stays as it is", {}, { verify: true, compression: "Gzip" });
  const changes: Readonly<Record<string, Edits>> = {
    "of another cluster": { "clusterRef.name": "other" },
    "to another store": { "destination.storeRef.name": "other" },
    "under another path": { "destination.path": "kv/" },
    "without verification": { verify: false },
    "that goes when it is deleted": { deletionPolicy: "Delete" },
    "with more time": { activeDeadlineSeconds: 1000 },
    "to a claim": { "destination.storeRef": undefined, "destination.pvc.claimName": "c" },
  };
  for (const [what, edits] of Object.entries(changes))
    table.refuseChange(`a backup does not become one ${what}`, {}, edits, "spec", says);
  return table.cases;
}

function tasks(): readonly Case[] {
  const table = new Table(QUORATE_TASK);
  const says = "create another QuorateTask";
  table.acceptChange("a task that stays as it is", {}, { ttlSecondsAfterFinished: 3600 });
  const changes: Readonly<Record<string, Edits>> = {
    "for another cluster": { "clusterRef.name": "other" },
    "with a target": { "moveLeader.to": "kv-1" },
    "with another action": { moveLeader: undefined, defragment: {} },
    "kept for longer": { ttlSecondsAfterFinished: 7200 },
  };
  for (const [what, edits] of Object.entries(changes))
    table.refuseChange(`a task does not become one ${what}`, {}, edits, "spec", says);
  return table.cases;
}

/** Schedules and stores are intents, not facts. */
function mutable(): readonly Case[] {
  const schedule = new Table(QUORATE_BACKUP_SCHEDULE);
  schedule.acceptChange("another time", {}, { schedule: "@daily" });
  schedule.acceptChange("a pause", {}, { suspend: true });
  schedule.acceptChange("less kept", { "retention.keepLast": 9 }, { "retention.keepLast": 2 });
  schedule.acceptChange("another cluster", {}, { "backupTemplate.spec.clusterRef.name": "other" });
  const store = new Table(QUORATE_BACKUP_STORE);
  store.acceptChange("another endpoint", {}, { "s3.endpoint": "https://s3.example.com" });
  return [...schedule.cases, ...store.cases];
}
