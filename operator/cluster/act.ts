/**
 * Performs one action. What takes something away looks once more, immediately before, at the cluster, the journal and the object:
 * what was planned a while ago by somebody who was held up since is refused with a "conflict".
 */
import { unreachable } from "../../src/base/assert.ts";
import type { Admin } from "../admin.ts";
import {
  CONFIG_MAP,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  QUORATE_CLUSTER,
  QUORATE_TASK,
  SECRET,
  STATEFUL_SET,
  apiVersion,
} from "../api/resources.ts";
import type { QuorateCluster, QuorateTask } from "../api/gen/types.ts";
import {
  type KubeApi,
  KubeError,
  type KubeObject,
  type ObjectRef,
  type Preconditions,
} from "../kube/api.ts";
import type { Action, TaskProgress } from "./action.ts";
import { textOf } from "./certificates.ts";
import { metadataOf } from "./component/owned.ts";
import { FINALIZER } from "./deletion.ts";
import { isOwned } from "./drift.ts";
import type { Facts } from "./facts.ts";
import type { Journal } from "./journal.ts";
import { leafSecret, madeAuthority, passwordSecret, turnedAuthority } from "./issue.ts";
import { JOURNAL_KEY, JOURNAL_REVISION, type Observer, readBootFiles } from "./observe.ts";
import type { RestorePort } from "./restore-port.ts";
import { clusterNames } from "./names.ts";
import type { ConfigMap, Secret, StatefulSet } from "./objects.ts";
import { type RestoreAction, performRestore } from "./restoring.ts";
import { taskStatus } from "./task-status.ts";
import { isSameAddress } from "./transport.ts";

interface Actor {
  readonly kube: KubeApi;
  readonly admin: Admin;
  readonly restores: RestorePort;
  readonly facts: Facts;
}

/** Rejects with whatever went wrong; the pass begins anew then, from what is. */
export async function act(
  { kube, restores }: Observer,
  admin: Admin,
  facts: Facts,
  action: Action,
): Promise<void> {
  const actor: Actor = { kube, admin, facts, restores: restores(kube) };
  switch (action.kind) {
    case "wait":
    case "settled":
      return;
    case "memberAdd":
    case "memberMove":
    case "memberPromote":
    case "memberRemove":
    case "moveLeader":
    case "compact":
    case "defragment":
    case "disarm":
    case "secureRoot":
      return await actOnMembers(actor, action);
    case "deletePod":
    case "deleteClaim":
    case "orphanStatefulSet":
    case "deleteStatefulSet":
    case "deleteOwned":
    case "deleteTask":
      return await actDestructively(actor, action);
    case "createClaim":
    case "checkJob":
    case "deleteCheckJob":
    case "restoreJob":
    case "deleteRestoreJob":
      return await performRestore(kube, actor.restores, facts, action);
    default:
      return await actOnObjects(actor, action);
  }
}

type MemberAction = Extract<
  Action,
  {
    kind:
      | "memberAdd"
      | "memberMove"
      | "memberPromote"
      | "memberRemove"
      | "moveLeader"
      | "compact"
      | "defragment"
      | "disarm"
      | "secureRoot";
  }
>;

async function actOnMembers(actor: Actor, action: MemberAction): Promise<void> {
  const { admin, facts } = actor;
  switch (action.kind) {
    case "memberAdd":
      await confirm(actor);
      await admin.addLearner(action.peerUrl);
      return;
    case "memberMove":
      await confirm(actor);
      return await admin.move(action.id, action.peerUrl);
    case "memberPromote":
      // Not caught up yet is an answer, and asked again in the next pass.
      await admin.promote(action.id);
      return;
    case "memberRemove":
      await confirm(actor);
      return await admin.remove(action.id);
    case "moveLeader":
      return await admin.moveLeader(action.from, action.targetId);
    case "disarm":
      return await admin.disarm(action.alarm);
    case "compact":
      await admin.compact(action.revision);
      return await writeJournal(actor, action.afterwards);
    case "defragment":
      await admin.defragment(action.member);
      return await writeJournal(actor, action.afterwards);
    case "secureRoot": {
      const secret = facts.journal?.document.adopted.spec.auth?.rootSecretRef.name ?? "";
      const password = textOf(facts.secrets.get(secret), "password");
      if (password === null || password === "") return;
      await admin.secureRoot(password);
      return await writeJournal(actor, action.afterwards);
    }
    default:
      return unreachable(action);
  }
}

type Destructive = Extract<
  Action,
  {
    kind:
      | "deletePod"
      | "deleteClaim"
      | "orphanStatefulSet"
      | "deleteStatefulSet"
      | "deleteOwned"
      | "deleteTask";
  }
>;

async function actDestructively(actor: Actor, action: Destructive): Promise<void> {
  const { kube, admin, facts } = actor;
  const preconditions = { uid: action.uid };
  await confirm(actor);
  switch (action.kind) {
    case "deletePod":
      await kube.delete(POD, refTo(facts, action.name), {
        preconditions: { ...preconditions, ...seenAs(action.resourceVersion) },
      });
      return;
    case "deleteClaim":
      if (action.vacated !== null) await assertVacated(admin, action.vacated);
      await kube.delete(PERSISTENT_VOLUME_CLAIM, refTo(facts, action.name), { preconditions });
      return;
    case "orphanStatefulSet":
    case "deleteStatefulSet": {
      const propagation = action.kind === "orphanStatefulSet" ? "Orphan" : "Foreground";
      const ref = refTo(facts, facts.cluster.metadata.name);
      await kube.delete(STATEFUL_SET, ref, { preconditions, propagation });
      return;
    }
    case "deleteOwned":
      await kube.delete(action.resource, refTo(facts, action.name), { preconditions });
      return;
    case "deleteTask":
      await kube.delete(QUORATE_TASK, refTo(facts, action.task), { preconditions });
      return;
    default:
      return unreachable(action);
  }
}

/** I5: nobody in the list lives there. That the list cannot be read is no permission. */
async function assertVacated(admin: Admin, peerUrl: string): Promise<void> {
  const members = await admin.members();
  if (members.some(({ peerUrls }) => peerUrls.some((url) => isSameAddress(url, peerUrl))))
    throw new KubeError("conflict", `a member lives at ${peerUrl}: its disk stays`);
}

/** I4: the cluster, its journal and its StatefulSet are still what the plan was made from. */
async function confirm({ kube, facts }: Actor): Promise<void> {
  const { cluster, journal, statefulSet } = facts;
  const { name } = cluster.metadata;
  const now = await kube.get<QuorateCluster>(QUORATE_CLUSTER, refTo(facts, name));
  const isSame =
    now !== null &&
    now.metadata.uid === cluster.metadata.uid &&
    now.metadata.generation === cluster.metadata.generation &&
    (now.metadata.deletionTimestamp === undefined) ===
      (cluster.metadata.deletionTimestamp === undefined);
  if (!isSame) throw changed(`the cluster ${name}`);
  const stored = await kube.get(CONFIG_MAP, refTo(facts, clusterNames(name).journal));
  if ((stored?.metadata.resourceVersion ?? null) !== (journal?.resourceVersion ?? null))
    throw changed("its journal");
  const set = await kube.get<StatefulSet>(STATEFUL_SET, refTo(facts, name));
  if (set?.metadata.uid !== statefulSet?.metadata.uid) throw changed("its StatefulSet");
}

function changed(what: string): KubeError {
  return new KubeError("conflict", `${what} has changed since it was read`);
}

type ObjectAction = Exclude<
  Action,
  MemberAction | Destructive | RestoreAction | { kind: "wait" | "settled" }
>;

async function actOnObjects(actor: Actor, action: ObjectAction): Promise<void> {
  const { kube, facts } = actor;
  switch (action.kind) {
    case "journal":
      return await writeJournal(actor, action.document);
    case "bootFiles":
      return await writeBootFiles(actor);
    case "apply":
      for (const { resource, object } of action.objects) {
        await assertOurs(actor, resource, object);
        await kube.apply(resource, resource === STATEFUL_SET ? asRead(facts, object) : object);
      }
      return;
    case "makeAuthority": {
      await kube.create(SECRET, madeAuthority(facts).object);
      return;
    }
    case "turnAuthority": {
      const { object } = turnedAuthority(facts, action.stage);
      const live = await kube.get<Secret>(SECRET, refTo(facts, object.metadata.name));
      const read = facts.secrets.get(object.metadata.name);
      if (live === null || live.metadata.resourceVersion !== read?.metadata.resourceVersion)
        throw changed("the authority");
      object.metadata.resourceVersion = live.metadata.resourceVersion ?? "";
      await kube.update(SECRET, object);
      return;
    }
    case "issue": {
      const { resource, object } = leafSecret(facts, action.leaf);
      await assertOurs(actor, resource, object);
      await kube.apply(resource, object);
      return;
    }
    case "notePasswords": {
      const { object } = passwordSecret(facts.cluster, action.passwords);
      const read = facts.secrets.get(object.metadata.name);
      await assertOurs(actor, SECRET, object);
      if (read === undefined) await kube.create(SECRET, object);
      else {
        object.metadata.resourceVersion = read.metadata.resourceVersion ?? "";
        await kube.update(SECRET, object);
      }
      return;
    }
    case "markPod": {
      const { labels, annotations, uid } = action;
      const patch = { metadata: { uid, labels, annotations } };
      await kube.mergePatch(POD, refTo(facts, action.name), patch);
      return;
    }
    case "scale":
      return await scale(actor, action.replicas, action.resourceVersion);
    case "expandClaim": {
      const patch = { spec: { resources: { requests: { storage: action.size } } } };
      await kube.mergePatch(PERSISTENT_VOLUME_CLAIM, refTo(facts, action.name), patch);
      return;
    }
    case "taskStatus":
      return await writeTaskStatus(actor, action.task, action.changes);
    case "finalizer":
      return await setFinalizer(actor, action.present);
    default:
      return unreachable(action);
  }
}

/**
 * A template that was planned a while ago is refused once there is another: members that restart by it might be parted from those
 * that have gone on since.
 */
function asRead({ statefulSet }: Facts, object: KubeObject): KubeObject {
  const { uid, resourceVersion } = statefulSet?.metadata ?? {};
  if (uid === undefined || resourceVersion === undefined) return object;
  return { ...object, metadata: { ...object.metadata, uid, resourceVersion } };
}

function refTo({ cluster }: Facts, name: string): ObjectRef {
  return { namespace: cluster.metadata.namespace ?? "", name };
}

/** Created once; replaced only where it is what was read. */
async function writeJournal({ kube, facts }: Actor, document: Journal): Promise<void> {
  const { cluster, journal } = facts;
  const object: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadataOf(cluster, clusterNames(cluster.metadata.name).journal),
    data: { [JOURNAL_KEY]: JSON.stringify(document) },
  };
  if (journal === null) {
    await kube.create(CONFIG_MAP, object);
    return;
  }
  object.metadata.resourceVersion = journal.resourceVersion;
  await kube.update(CONFIG_MAP, object);
}

/**
 * The boot ConfigMap was read before the journal, and is replaced only where it is what was read: so a writer that was held up
 * can never bring back a ticket that was revoked meanwhile.
 */
async function writeBootFiles({ kube, facts }: Actor): Promise<void> {
  const { cluster, journal, bootFiles } = facts;
  if (journal === null) return;
  const { boot, revision } = journal.document;
  const files = Object.entries(boot).map(([name, file]) => [`${name}.json`, JSON.stringify(file)]);
  const metadata = metadataOf(cluster, clusterNames(cluster.metadata.name).boot);
  const object: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...metadata, annotations: { [JOURNAL_REVISION]: String(revision) } },
    data: Object.fromEntries(files),
  };
  const ref = refTo(facts, metadata.name);
  if (bootFiles === null) {
    const live = readBootFiles(await kube.get<ConfigMap>(CONFIG_MAP, ref));
    if (live !== null) throw changed("the boot files");
    await kube.create(CONFIG_MAP, object);
    return;
  }
  if (bootFiles.journalRevision > revision) throw changed("the journal");
  object.metadata.resourceVersion = bootFiles.resourceVersion;
  await kube.update(CONFIG_MAP, object);
}

/** Objects of others with our names are refused. */
async function assertOurs(
  { kube, facts }: Actor,
  resource: Parameters<KubeApi["get"]>[0],
  object: KubeObject,
): Promise<void> {
  const live = await kube.get(resource, refTo(facts, object.metadata.name));
  if (live === null || isOwned(live, facts.cluster)) return;
  throw new KubeError(
    "conflict",
    `${object.kind} ${object.metadata.name} belongs to something else`,
  );
}

async function scale(actor: Actor, replicas: number, resourceVersion: string): Promise<void> {
  const { kube, facts } = actor;
  const set = await kube.get<StatefulSet>(STATEFUL_SET, refTo(facts, facts.cluster.metadata.name));
  if (set === null || set.metadata.resourceVersion !== resourceVersion)
    throw changed("its StatefulSet");
  if (replicas < set.spec.replicas) await confirm(actor);
  await kube.update(STATEFUL_SET, { ...set, spec: { ...set.spec, replicas } });
}

async function writeTaskStatus(
  { kube, facts }: Actor,
  name: string,
  changes: TaskProgress,
): Promise<void> {
  const task = await kube.get<QuorateTask>(QUORATE_TASK, refTo(facts, name));
  if (task === null) return;
  const object = {
    apiVersion: apiVersion(QUORATE_TASK),
    kind: QUORATE_TASK.kind,
    metadata: { name, namespace: facts.cluster.metadata.namespace ?? "" },
    status: taskStatus(task, changes, facts.now),
  };
  await kube.applyStatus(QUORATE_TASK, object);
}

async function setFinalizer({ kube, facts }: Actor, isPresent: boolean): Promise<void> {
  const { name, resourceVersion = "", finalizers = [] } = facts.cluster.metadata;
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  const patch = {
    metadata: { resourceVersion, finalizers: isPresent ? [...others, FINALIZER] : others },
  };
  await kube.mergePatch(QUORATE_CLUSTER, refTo(facts, name), patch);
}

function seenAs(resourceVersion: string | undefined): Preconditions {
  return resourceVersion === undefined ? {} : { resourceVersion };
}
