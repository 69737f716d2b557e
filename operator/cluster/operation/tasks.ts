/** What a person asked for once: the oldest task that is not over, one at a time. Pure. */
import { present } from "../../../src/base/assert.ts";
import type { QuorateTask } from "../../api/gen/types.ts";
import { withTaskDefaults } from "../../api/apply-defaults.ts";
import { type Action, type TaskProgress, type Wait, wait } from "../action.ts";
import type {
  DowngradeOperation,
  MoveLeaderOperation,
  Operation,
  OperationType,
} from "../journal.ts";
import { revised } from "../journal.ts";
import { begin, finish } from "../step.ts";
import { isOver } from "../task-status.ts";
import { type Place, type View, placeOf } from "../view.ts";
import { podName } from "../names.ts";
import { isTerminating } from "../objects.ts";
import { nextTurn } from "./authority.ts";
import { raisedFences } from "./recover-quorum.ts";
import { beginReplacement } from "./repair.ts";
import { restoreStage } from "./restore.ts";

/** For as long a transfer is tried again. */
const MOVE_MS = 60_000;

/** What is written about tasks, whatever else goes on: how far they are, what became of them, and that they are over. */
export function planTaskStatus(view: View): Action | null {
  const { facts } = view;
  for (const task of facts.tasks) {
    const { name, uid = "" } = task.metadata;
    if (isTerminating(task)) continue;
    if (isOver(task)) {
      const ttlMs = withTaskDefaults(task.spec).ttlSecondsAfterFinished * 1_000;
      const at = Date.parse(task.status?.completedAt ?? "");
      if (facts.now >= at + ttlMs) return { kind: "deleteTask", task: name, uid };
      continue;
    }
    const progress = progressOf(view, task);
    const said = task.status;
    if (said?.phase === progress.phase && said.message === progress.message) continue;
    return { kind: "taskStatus", task: name, changes: progress };
  }
  return null;
}

function progressOf(view: View, { metadata }: QuorateTask): TaskProgress {
  const { journal, facts } = view;
  const key = metadata.uid ?? "";
  const entry = journal.history.findLast(({ task }) => task === key);
  if (entry !== undefined) {
    const revision = [...facts.members.values()].flatMap(({ state }) =>
      state.known ? [state.value.revision] : [],
    );
    return {
      phase: entry.outcome === "Done" ? "Complete" : "Failed",
      message: entry.message,
      operationID: entry.id,
      ...(revision.length === 0 ? {} : { revision: Math.max(...revision) }),
    };
  }
  const { operation } = journal;
  if (operation?.task === key)
    return {
      phase: "Running",
      message: `${operation.type} is under way${stageOf(view, operation)}`,
      operationID: operation.id,
    };
  const before = operation === null ? "the cluster" : `the operation ${operation.type}`;
  return { phase: "Pending", message: `waits for ${before}` };
}

/** Of what a person may have to know while it goes on. */
function stageOf(view: View, operation: Operation): string {
  return operation.type === "Restore" ? `: ${restoreStage(view, operation)}` : "";
}

/** Those that nothing was begun for, oldest first. */
function openTasks({ facts, journal }: View): readonly QuorateTask[] {
  const known = new Set(journal.history.map(({ task }) => task));
  known.add(journal.operation?.task ?? null);
  return facts.tasks.filter(
    (task) => !isOver(task) && !isTerminating(task) && !known.has(task.metadata.uid ?? ""),
  );
}

/** The one to begin with; null: there is none. */
function nextTask(view: View): QuorateTask | null {
  return openTasks(view)[0] ?? null;
}

/** For a cluster without a quorum. While there is none, what needs one may have been asked for earlier, and waits behind it. */
function rescueOf(view: View): QuorateTask | null {
  const open = openTasks(view);
  const able = view.memberList === null ? open : open.slice(0, 1);
  return able.find(({ spec }) => (spec.recoverQuorum ?? spec.restore) !== undefined) ?? null;
}

/** The tasks that are for a cluster without a quorum: asked before what needs one. */
export function planRescue(view: View): Action | null {
  const task = rescueOf(view);
  if (task?.spec.recoverQuorum !== undefined) return beginRecovery(view, task);
  return task?.spec.restore === undefined ? null : beginRestore(view, task);
}

/** These need no quorum, or have not had one yet. */
const UNRESCUED: ReadonlySet<OperationType> = new Set(["Bootstrap", "Restore", "Hibernate"]);

/**
 * What waits for members that are lost for good would wait for ever, and a person's rescue behind it: it is given up for that,
 * once the status has said that the quorum is lost. What it had begun is seen in what is. Null: it goes on.
 */
export function planGivingUp(view: View, operation: Operation, { message }: Wait): Action | null {
  const isLost = view.facts.cluster.status?.conditions?.some(
    ({ type, status }) => type === "QuorumLost" && status === "True",
  );
  const isHopeless = view.memberList === null && isLost === true && !UNRESCUED.has(operation.type);
  if (!isHopeless || rescueOf(view) === null) return null;
  return giveUp(view, operation, `the quorum was lost while it waited: ${message}`);
}

/** For something that is more urgent. */
export function giveUp(view: View, operation: Operation, why: string): Action {
  // Whoever asked for a new authority asks still, unless it is there already and goes on by itself.
  const isAsked = operation.type === "RotateAuthority" && nextTurn(view) === null;
  const beside = isAsked ? { rotated: null } : {};
  return finish(view, "Abandoned", why, beside);
}

export function planTask(view: View): Action | null {
  const task = nextTask(view);
  if (task === null) return null;
  const key = task.metadata.uid ?? "";
  const { defragment, moveLeader, replaceMember, downgrade } = task.spec;
  if (defragment !== undefined) {
    const members =
      defragment.members ??
      view.places.flatMap(({ member, name }) => (member === null ? [] : [name]));
    return begin(view, { type: "Defragment", step: "Defragment", members, done: [] }, {}, key);
  }
  if (moveLeader !== undefined) {
    const heir = moveLeader.to ?? bestHeir(view)?.name;
    if (heir === undefined || placeOf(view, heir) === null)
      return refuse(view, task, `there is no member ${heir ?? "that could lead"}`);
    return begin(view, { type: "MoveLeader", step: "MoveLeader", member: heir }, {}, key);
  }
  if (replaceMember !== undefined) {
    const place = placeOf(view, replaceMember.member);
    if (place === null) return refuse(view, task, `there is no member ${replaceMember.member}`);
    if (view.voters.length === 1 && view.voters[0]?.id === place.member?.id)
      return refuse(
        view,
        task,
        `${place.name} is the only voter, and its disk the only one: let the cluster have more members first`,
      );
    return beginReplacement(view, place, "Asked", key);
  }
  if (downgrade !== undefined) {
    const { version } = downgrade;
    const refusal = refuseDowngrade(view.journal.latched.version, version);
    if (refusal !== null) return refuse(view, task, refusal);
    return begin(view, { type: "Downgrade", step: "Enable", version }, {}, key);
  }
  return refuse(view, task, "this operator does not know the action");
}

/** Over before it began, and told so. */
export function refuse(view: View, { metadata }: QuorateTask, message: string): Action {
  const now = new Date(view.facts.now).toISOString();
  const entry = {
    id: `${view.journal.adopted.generation}-${view.journal.counter + 1}`,
    type: "Refused" as const,
    member: null,
    task: metadata.uid ?? "",
    startedAt: now,
    finishedAt: now,
    outcome: "Failed" as const,
    message,
  };
  const history = [...view.journal.history, entry];
  return {
    kind: "journal",
    document: revised(view.journal, { history, counter: view.journal.counter + 1 }),
  };
}

function beginRecovery(view: View, task: QuorateTask): Action {
  const { survivor, acknowledgeDataLoss } = present(
    task.spec.recoverQuorum,
    "the task is a recovery",
  );
  const place = placeOf(view, survivor);
  if (!acknowledgeDataLoss) return refuse(view, task, "acknowledgeDataLoss is not true");
  if (view.memberList !== null)
    return refuse(
      view,
      task,
      "a quorum answers: nothing has to be recovered. To replace a member, make a task replaceMember",
    );
  if (place?.pod == null) return refuse(view, task, `${survivor} has no pod`);
  if (place.boot === null)
    return wait(
      "AwaitSurvivor",
      `${survivor} does not say what its disk holds: ${survivor} has to answer first`,
    );
  if (place.boot.memberId === null)
    return refuse(view, task, `the disk of ${survivor} holds no member`);
  const nonce = view.facts.entropy;
  const claimUids = view.places.flatMap(({ name, claim }) =>
    name === survivor || claim === null ? [] : [claim.metadata.uid ?? ""],
  );
  return begin(
    view,
    { type: "RecoverQuorum", step: "RaiseFences", member: survivor, nonce, claimUids },
    raisedFences(view, place, nonce),
    task.metadata.uid ?? "",
  );
}

/** In place. */
function beginRestore(view: View, task: QuorateTask): Action {
  const { from: source, acknowledgeDataLoss } = present(task.spec.restore, "the task is a restore");
  if (!acknowledgeDataLoss) return refuse(view, task, "acknowledgeDataLoss is not true");
  const seed = podName(view.facts.cluster.metadata.name, 0);
  const claimUids = view.places.flatMap(({ name, claim }) =>
    name === seed || claim === null ? [] : [claim.metadata.uid ?? ""],
  );
  const { size, asleep } = view.journal;
  return begin(
    view,
    {
      type: "Restore",
      step: "CheckSource",
      source,
      inPlace: true,
      nonce: view.facts.entropy,
      size: size === 0 ? (asleep ?? view.spec.replicas) : size,
      claimUids,
      origin: null,
      verdict: null,
      restored: null,
    },
    {},
    task.metadata.uid ?? "",
  );
}

/** Who has most of the log, of those that do not lead. */
function bestHeir(view: View): Place | null {
  const able = view.places.filter(
    ({ participates, name }) => participates && name !== view.leader?.name,
  );
  const index = ({ state }: Place): number => state?.raftIndex ?? 0;
  return able.toSorted((a, b) => index(b) - index(a))[0] ?? null;
}

export function planMoveLeader(view: View, operation: MoveLeaderOperation): Action {
  const { leader } = view;
  if (leader === null) return wait("AwaitLeader", "the members have no leader now");
  if (leader.name === operation.member) return finish(view, "Done", `${leader.name} leads`);
  const targetId = placeOf(view, operation.member)?.member?.id;
  if (targetId === undefined) return finish(view, "Failed", `${operation.member} is no member`);
  if (view.facts.now - Date.parse(operation.startedAt) > MOVE_MS)
    return finish(view, "Failed", `${operation.member} did not take over within a minute`);
  return { kind: "moveLeader", from: leader.name, targetId };
}

/** To an older patch no task is needed, and further down no build reads what is stored. */
function refuseDowngrade(from: string, to: string): string | null {
  const [oldMajor = 0, oldMinor = 0] = from.split(".").map(Number);
  const [major = 0, minor = 0] = to.split(".").map(Number);
  return major === oldMajor && minor === oldMinor - 1
    ? null
    : `${to} is not of the minor version before ${from}`;
}

/**
 * What it takes is a person's word alone: nothing that a build of the minor version before could not read is written yet. What
 * etcd calls a downgrade is no help, since it counts the versions of etcd.
 */
export function planDowngrade(view: View, { version }: DowngradeOperation): Action {
  const message = `the members may go down to ${version}: set spec.version to it`;
  return finish(view, "Done", message, { downgradeTo: version });
}
