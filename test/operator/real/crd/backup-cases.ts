/** Backups, schedules, stores and tasks: what is accepted and what is refused when one is made. */
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_TASK,
} from "../../../../operator/api/resources.ts";
import { Table } from "./bases.ts";
import type { Case, Edits } from "./case.ts";

export function backupCases(): readonly Case[] {
  return [...backups(), ...schedules(), ...stores(), ...tasks()];
}

function backups(): readonly Case[] {
  const table = new Table(QUORATE_BACKUP);
  table.acceptName("a".repeat(52));
  table.refuseName("a".repeat(53), "<nil>", "metadata.name must have at most 52");
  table.accept("a path in the store", { "destination.path": "kv/daily" });
  const claim = { "destination.storeRef": undefined, "destination.pvc": { claimName: "c" } };
  table.accept("a claim", claim);
  table.accept("a folder on a claim", { ...claim, "destination.pvc.subPath": "a/b" });
  const one = "keep one and remove the other";
  table.refuse("no destination", { destination: {} }, "spec.destination", one);
  const both = { "destination.pvc": { claimName: "c" } };
  table.refuse("two destinations", both, "spec.destination", one);
  const pathOnClaim = { ...claim, "destination.path": "kv" };
  table.refuse("a path beside a claim", pathOnClaim, "spec.destination.path", "use pvc.subPath");
  for (const path of ["/kv", "kv kv", "kv//../x", "..", "a/./b"])
    table.refuse(
      `the path "${path}"`,
      { "destination.path": path },
      "spec.destination.path",
      path.includes(".") ? "write the path out" : "without a leading slash",
    );
  table.refuse("no cluster", { clusterRef: undefined }, "spec.clusterRef", "Required value");
  table.refuse(
    "a cluster whose name is none",
    { "clusterRef.name": "My_Cluster" },
    "spec.clusterRef.name",
    "must be a name of lowercase letters",
  );
  return table.cases;
}

function schedules(): readonly Case[] {
  const table = new Table(QUORATE_BACKUP_SCHEDULE);
  table.acceptName("a".repeat(36));
  table.refuseName("a".repeat(37), "<nil>", "metadata.name must have at most 36");
  const good = ["* * * * *", "*/5 * * * *", "0 0 1 1 0", "59 23 31 12 7", "0,30 8-18 * * MON-FRI"];
  const more = [
    "0 0 1 JAN *",
    "5 4 * * SUN",
    "0-59/2 */3 1-15 * *",
    "@daily",
    "@hourly",
    "@weekly",
  ];
  for (const schedule of [...good, ...more]) table.accept(`the schedule ${schedule}`, { schedule });
  const bad = ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 32 * *", "* * 0 * *"];
  const worse = [
    "* * * 13 *",
    "* * * * 8",
    "@often",
    "every day",
    "*/0 * * * *",
    "*/60 * * * *",
    "0 */24 * * *",
    "* * * * MON-5",
    "* * * FOO *",
    "CRON_TZ=UTC * * * * *",
  ];
  for (const schedule of [...bad, ...worse])
    table.refuse(`"${schedule}" is no schedule`, { schedule }, "spec.schedule", '"0 */6 * * *"');
  for (const schedule of ["0 18-8 * * *", "0 0 * * FRI-MON", "0 0 * NOV-FEB *", "0 0 20-5/2 * *"])
    table.refuse(
      `"${schedule}" runs backwards`,
      { schedule },
      "spec.schedule",
      "write two, such as",
    );
  for (const schedule of ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 30,31 FEB *", "0 0 31 02,NOV *"])
    table.refuse(`"${schedule}" never comes`, { schedule }, "spec.schedule", "use an earlier day");
  for (const schedule of [
    "0 0 29 2 *",
    "0 0 31 1,2 *",
    "0 0 30 2 MON",
    "0 0 30 4 *",
    "0 0 1,31 2 *",
  ])
    table.accept(`the schedule ${schedule}`, { schedule });
  for (const kept of ["keepLast", "hourly", "daily", "weekly", "monthly"])
    table.accept(`retention by ${kept}`, { [`retention.${kept}`]: 1 });
  const nothing = "or remove retention to keep all";
  table.refuse("retention of nothing", { retention: {} }, "spec.retention", nothing);
  table.refuse(
    "retention of none",
    { "retention.keepLast": 0 },
    "spec.retention.keepLast",
    "should be greater than or equal to 1",
  );
  table.refuse(
    "a template without a destination",
    { "backupTemplate.spec.destination": {} },
    "spec.backupTemplate.spec.destination",
    "keep one and remove the other",
  );
  table.refuse(
    "no template",
    { backupTemplate: undefined },
    "spec.backupTemplate",
    "Required value",
  );
  table.refuse("a zone that is none", { timeZone: "CET+1:00" }, "spec.timeZone", "IANA name");
  return table.cases;
}

function stores(): readonly Case[] {
  const table = new Table(QUORATE_BACKUP_STORE);
  for (const endpoint of ["https://s3.example.com", "http://10.0.0.7:9000", "https://a/b"])
    table.accept(`the endpoint ${endpoint}`, { "s3.endpoint": endpoint });
  for (const endpoint of ["s3.example.com", "ftp://a", "https://", "https://a b", "https://a/?x"])
    table.refuse(
      `"${endpoint}" is no endpoint`,
      { "s3.endpoint": endpoint },
      "spec.s3.endpoint",
      "begins with https://",
    );
  for (const bucket of ["Backups", "a_b", "-ab", "ab-"])
    table.refuse(
      `"${bucket}" is no bucket`,
      { "s3.bucket": bucket },
      "spec.s3.bucket",
      "must be the name of a bucket",
    );
  table.refuse("a short bucket", { "s3.bucket": "ab" }, "spec.s3.bucket", "at least 3 chars");
  table.refuse("no bucket", { s3: {} }, "spec.s3.bucket", "Required value");
  table.refuse("nowhere", { s3: undefined }, "spec.s3", "Required value");
  table.refuse("a region", { "s3.region": "eu central" }, "spec.s3.region", "eu-central-1");
  return table.cases;
}

function tasks(): readonly Case[] {
  const table = new Table(QUORATE_TASK);
  const from = { backupRef: { name: "b" } };
  const actions: Readonly<Record<string, Edits[string]>> = {
    defragment: { members: ["kv-0", "kv-2"] },
    moveLeader: { to: "kv-1" },
    replaceMember: { member: "kv-1" },
    downgrade: { version: "1.3.9" },
    recoverQuorum: { survivor: "kv-1", acknowledgeDataLoss: true },
    restore: { from, acknowledgeDataLoss: true },
  };
  const none = { moveLeader: undefined };
  for (const [action, value] of Object.entries(actions))
    table.accept(`the action ${action}`, { ...none, [action]: value });
  const one = "exactly one action must be set";
  table.refuse("no action", none, "spec", one);
  for (const [action, value] of Object.entries(actions))
    if (action !== "moveLeader")
      table.refuse(`${action} and moveLeader`, { [action]: value }, "spec", one);
  acknowledgements(table, none);
  const others: readonly (readonly [string, Edits])[] = [
    ["defragment.members", { ...none, "defragment.members": ["kv-0", "other-0"] }],
    ["moveLeader.to", { "moveLeader.to": "kv2-0" }],
    ["replaceMember.member", { ...none, "replaceMember.member": "other-0" }],
    [
      "recoverQuorum.survivor",
      { ...none, recoverQuorum: { survivor: "x-0", acknowledgeDataLoss: true } },
    ],
  ];
  for (const [field, edits] of others)
    table.refuse(
      `${field} of another cluster`,
      edits,
      `spec.${field}`,
      "such as kv-0 for the cluster kv",
    );
  table.refuse(
    "a downgrade to a tag",
    { ...none, downgrade: { version: "v1.3.9" } },
    "spec.downgrade.version",
    "without a leading v",
  );
  return table.cases;
}

function acknowledgements(table: Table, none: Edits): void {
  const from = { backupRef: { name: "b" } };
  for (const [action, rest] of [
    ["recoverQuorum", { survivor: "kv-1" }],
    ["restore", { from }],
  ] as const) {
    const field = `spec.${action}.acknowledgeDataLoss`;
    table.refuse(
      `${action} whose loss is denied`,
      { ...none, [action]: { ...rest, acknowledgeDataLoss: false } },
      field,
      "acknowledgeDataLoss must be true",
    );
    table.refuse(`${action} without a word`, { ...none, [action]: rest }, field, "Required value");
  }
  table.refuse(
    "restore from nowhere",
    { ...none, restore: { from: {}, acknowledgeDataLoss: true } },
    "spec.restore.from",
    "name one snapshot",
  );
}
