/** `status` and `members`: what the operator has written down, for people. */
import type { Condition, MemberStatus, QuorateCluster } from "../api/gen/types.ts";
import { QUORATE_CLUSTER } from "../api/resources.ts";
import type { Arguments } from "./arguments.ts";
import { type Session, clusterOf } from "./session.ts";
import { age, columns, size } from "./table.ts";

export async function showStatus(session: Session, args: Arguments): Promise<void> {
  const [name] = args.operands;
  if (name === undefined) {
    await listClusters(session, args);
    return;
  }
  const cluster = await clusterOf(session, name);
  session.out(args.json ? json(cluster) : describeCluster(cluster, session.time.wall()));
}

export async function showMembers(session: Session, args: Arguments): Promise<void> {
  const cluster = await clusterOf(session, args.operands[0] ?? "");
  const members = cluster.status?.members ?? [];
  session.out(args.json ? json(members) : memberTable(members));
}

async function listClusters(session: Session, args: Arguments): Promise<void> {
  const namespace = args.allNamespaces ? null : session.namespace;
  const { items } = await session.api.list<QuorateCluster>(QUORATE_CLUSTER, { namespace });
  if (args.json) {
    session.out(json(items));
    return;
  }
  if (items.length === 0) {
    session.note(namespace === null ? "no clusters" : `no clusters in ${namespace}`);
    return;
  }
  const now = session.time.wall();
  const titles = ["NAME", "READY", "STATUS", "VERSION", "LEADER", "OPERATION", "AGE"];
  const rows = items.map((cluster) => {
    const { metadata, spec, status } = cluster;
    const cells = [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec.replicas ?? 3}`,
      headline(cluster),
      status?.version ?? "",
      status?.leader ?? "",
      status?.operation === undefined
        ? ""
        : [status.operation.type, status.operation.member].filter(Boolean).join(" "),
      age(now - Date.parse(metadata.creationTimestamp ?? "")),
    ];
    return args.allNamespaces ? [metadata.namespace ?? "", ...cells] : cells;
  });
  session.out(columns(args.allNamespaces ? ["NAMESPACE", ...titles] : titles, rows));
}

/** One word for how it is. */
function headline({ spec, status }: QuorateCluster): string {
  const is = (type: string): Condition | undefined =>
    status?.conditions?.find((each) => each.type === type && each.status === "True");
  if (is("QuorumLost") !== undefined) return "QuorumLost";
  if (spec.paused === true) return "Paused";
  if (is("Stalled") !== undefined) return `Stalled: ${is("Stalled")?.reason ?? ""}`;
  if (is("Ready") !== undefined) return "Ready";
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.reason ?? "Unknown";
}

function describeCluster(cluster: QuorateCluster, now: number): string {
  const { metadata, spec, status } = cluster;
  const { operation, backup, alarms = [] } = status ?? {};
  const facts: readonly (readonly [string, string])[] = [
    [
      "Cluster",
      `${metadata.namespace ?? ""}/${metadata.name}, id ${status?.clusterID ?? "unknown"}`,
    ],
    ["Status", headline(cluster)],
    [
      "Members",
      `${status?.readyReplicas ?? 0} of ${spec.replicas ?? 3} ready, leader ${status?.leader ?? "unknown"}`,
    ],
    ["Endpoint", status?.endpoint ?? "unknown"],
    ["Version", versionText(cluster)],
    ["Database", sizeText(status?.dbSize, "unknown")],
    ["Alarms", alarms.length === 0 ? "none" : alarms.join(", ")],
    [
      "Operation",
      operation === undefined
        ? "none"
        : `${operation.type} ${operation.member ?? ""} at ${operation.step} for ${age(now - Date.parse(operation.startedAt))}: ${operation.message ?? ""}`,
    ],
    [
      "Backup",
      backup?.lastSuccess === undefined
        ? "none"
        : `${backup.name ?? ""} ${age(now - Date.parse(backup.lastSuccess))} ago, revision ${backup.revision ?? "unknown"}`,
    ],
  ];
  const conditions = (status?.conditions ?? []).map(({ type, status: is, reason, message }) => [
    type,
    is,
    reason ?? "",
    message ?? "",
  ]);
  return [
    ...facts.map(([title, text]) => `${title.padEnd(10)} ${text.trim()}\n`),
    `\n${columns(["CONDITION", "STATUS", "REASON", "MESSAGE"], conditions)}`,
    `\n${memberTable(status?.members ?? [])}`,
  ].join("");
}

function versionText({ status }: QuorateCluster): string {
  const { version = "unknown", targetVersion = version } = status ?? {};
  return version === targetVersion ? version : `${version}, on the way to ${targetVersion}`;
}

function memberTable(members: readonly MemberStatus[]): string {
  const titles = [
    "MEMBER",
    "ID",
    "ROLE",
    "PHASE",
    "READY",
    "DB SIZE",
    "TERM/INDEX",
    "NODE",
    "ZONE",
    "REASON",
  ];
  const rows = members.map((member) => [
    member.name,
    member.id ?? "",
    member.leader ? "Leader" : member.role,
    member.phase,
    member.ready ? "yes" : "no",
    sizeText(member.dbSize, ""),
    member.raftIndex === undefined ? "" : `${member.raftTerm ?? "?"}/${member.raftIndex}`,
    member.node ?? "",
    member.zone ?? "",
    member.reason ?? "",
  ]);
  return columns(titles, rows);
}

/** A quantity as the operator wrote it, or bytes. */
function sizeText(quantity: string | number | undefined, missing: string): string {
  if (quantity === undefined) return missing;
  return typeof quantity === "number" ? size(quantity) : quantity;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
