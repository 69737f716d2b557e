/** What a person asks of the operator: a QuorateTask, a QuorateBackup, or a pause. The operator does it, not the plugin. */
import type {
  MemberStatus,
  QuorateBackup,
  QuorateTask,
  QuorateTaskSpec,
} from "../api/gen/types.ts";
import { QUORATE_BACKUP, QUORATE_CLUSTER, QUORATE_TASK, apiVersion } from "../api/resources.ts";
import type { KubeObject } from "../kube/api.ts";
import type { Arguments } from "./arguments.ts";
import { follow } from "./follow.ts";
import { type Session, clusterOf, refOf, refuse } from "./session.ts";
import { size } from "./table.ts";

type Action = Omit<QuorateTaskSpec, "clusterRef" | "ttlSecondsAfterFinished">;

export async function moveLeader(session: Session, args: Arguments): Promise<void> {
  const to = args.operands[1];
  await runTask(session, args, "move-leader", { moveLeader: to === undefined ? {} : { to } });
}

export async function defragment(session: Session, args: Arguments): Promise<void> {
  const members = args.operands.slice(1);
  await runTask(session, args, "defrag", { defragment: members.length === 0 ? {} : { members } });
}

export async function replaceMember(session: Session, args: Arguments): Promise<void> {
  const member = args.operands[1] ?? "";
  await runTask(session, args, "replace", { replaceMember: { member } });
}

export async function restore(session: Session, args: Arguments): Promise<void> {
  const [name = ""] = args.operands;
  const { backup } = args;
  if (backup === null) throw refuse("name the QuorateBackup to go back to: --backup BACKUP");
  if (!args.acknowledgeDataLoss)
    throw refuse(
      `what was written to ${name} since ${backup} is lost, and the disks of its members are wiped: say so with --acknowledge-data-loss`,
    );
  const action = { from: { backupRef: { name: backup } }, acknowledgeDataLoss: true };
  await runTask(session, args, "restore", { restore: action });
}

export async function recover(session: Session, args: Arguments): Promise<void> {
  const [name = ""] = args.operands;
  const cluster = await clusterOf(session, name);
  const members = (cluster.status?.members ?? []).toSorted(byMostFirst);
  const { survivor } = args;
  if (survivor === null) {
    const found = members.map(({ name: pod, phase, ...log }) => `${pod} (${phase}, ${told(log)})`);
    throw refuse(
      `name the member whose data are kept, the first if it tells most: --survivor MEMBER, of ${found.join(", ")}`,
    );
  }
  const named = members.find((member) => member.name === survivor);
  const [best] = members;
  if (named !== undefined && best !== undefined && byMostFirst(best, named) < 0)
    session.note(`${best.name} has more: ${told(best)}. ${survivor}: ${told(named)}`);
  if (!args.acknowledgeDataLoss)
    throw refuse(
      `what ${survivor} does not have is lost, and the disks of the others are wiped: say so with --acknowledge-data-loss`,
    );
  await runTask(session, args, "recover", {
    recoverQuorum: { survivor, acknowledgeDataLoss: true },
  });
}

type Log = Pick<MemberStatus, "raftTerm" | "raftIndex">;

/** As Raft compares logs; who tells nothing comes last. */
function byMostFirst(a: Log, b: Log): number {
  return (b.raftTerm ?? -1) - (a.raftTerm ?? -1) || (b.raftIndex ?? -1) - (a.raftIndex ?? -1);
}

function told({ raftTerm, raftIndex }: Log): string {
  return raftIndex === undefined
    ? "tells no last entry"
    : `last entry ${raftIndex} of term ${raftTerm ?? "unknown"}`;
}

export async function setPaused(session: Session, args: Arguments, paused: boolean): Promise<void> {
  const [name = ""] = args.operands;
  await clusterOf(session, name);
  await session.api.mergePatch(QUORATE_CLUSTER, refOf(session, name), { spec: { paused } });
  session.out(`${name} ${paused ? "is paused" : "goes on"}\n`);
}

export async function backup(session: Session, args: Arguments): Promise<void> {
  const [cluster = ""] = args.operands;
  const { store, claim, path } = args;
  if ((store === null) === (claim === null))
    throw refuse("say where to, once: --store STORE (a QuorateBackupStore) or --claim CLAIM");
  await clusterOf(session, cluster);
  const destination =
    store === null
      ? { pvc: { claimName: claim ?? "", ...(path === null ? {} : { subPath: path }) } }
      : { storeRef: { name: store }, ...(path === null ? {} : { path }) };
  const name = nameFor(session, cluster, "backup");
  await session.api.create<QuorateBackup>(QUORATE_BACKUP, {
    apiVersion: apiVersion(QUORATE_BACKUP),
    kind: QUORATE_BACKUP.kind,
    metadata: { name, namespace: session.namespace },
    spec: { clusterRef: { name: cluster }, destination },
  });
  session.note(`QuorateBackup ${name} is made`);
  if (!args.wait) {
    session.out(`${name}\n`);
    return;
  }
  const done = await follow<QuorateBackup>(session, QUORATE_BACKUP, name, args.timeoutMs);
  const { revision, sizeBytes = 0, uri = "" } = done.status ?? {};
  session.out(`${name}: revision ${revision ?? "unknown"}, ${size(sizeBytes)}, ${uri}\n`);
}

async function runTask(
  session: Session,
  args: Arguments,
  word: string,
  action: Action,
): Promise<void> {
  const [cluster = ""] = args.operands;
  await clusterOf(session, cluster);
  const name = nameFor(session, cluster, word);
  await session.api.create<KubeObject & { spec: QuorateTaskSpec }>(QUORATE_TASK, {
    apiVersion: apiVersion(QUORATE_TASK),
    kind: QUORATE_TASK.kind,
    metadata: { name, namespace: session.namespace },
    spec: { clusterRef: { name: cluster }, ...action },
  });
  session.note(`QuorateTask ${name} is made`);
  if (args.wait) await follow<QuorateTask>(session, QUORATE_TASK, name, args.timeoutMs);
  session.out(args.wait ? `${name} is done\n` : `${name}\n`);
}

/** One of its own for each call: the second, in UTC. */
function nameFor(session: Session, cluster: string, word: string): string {
  const stamp = new Date(session.time.wall()).toISOString().slice(0, 19).replaceAll(/[-:T]/g, "");
  return `${cluster}-${word}-${stamp}`;
}
