/** Themes in which a person gives something up: a restore in place, a quorum lost for good, a cluster that is deleted. */
import {
  PERSISTENT_VOLUME_CLAIM,
  POD,
  QUORATE_CLUSTER,
  QUORATE_TASK,
  STATEFUL_SET,
} from "../../../operator/api/resources.ts";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import { emptyDisk, idOf } from "./consensus.ts";
import { CLUSTER } from "./sandbox.ts";
import type { Scene, Theme } from "./themes.ts";
import { tasksLeft } from "./themes-of-care.ts";
import { NAMESPACE } from "./world.ts";

const GONE_MS = 10 * 60_000;

/** In place, to what was written up to now; some snapshots are damaged, some Jobs killed: those that restore, when they have. */
export const restore: Theme = {
  name: "restore",
  prepare: ({ sandbox, judges }) => {
    sandbox.restores.onIdle = (what) => judges.breach("stopped for nothing", what);
    const metadata = { name: "shelf", namespace: NAMESPACE };
    const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata };
    sandbox.api.store.apply(PERSISTENT_VOLUME_CLAIM, claim, "person");
  },
  strokes: [
    ({ sandbox, judges, chaos, random }) => {
      const { restores } = sandbox;
      restores.snapshot = [...judges.acknowledged];
      restores.password = sandbox.world.rootPassword;
      restores.kills = random.chance(0.6) ? 1 : 0;
      restores.checkKills = random.chance(0.1) ? 1 : 0;
      const name = `back-${chaos.log.length}`;
      const path = `${name}.db`;
      const damage = random.chance(0.6) ? null : random.chance(0.5) ? "early" : "late";
      if (damage !== null) restores.damage.set(path, damage);
      chaos.note(
        `${name}: restore, damaged ${damage}, killed ${restores.checkKills} and ${restores.kills}`,
      );
      const from = { pvc: { claimName: "shelf", path } };
      sandbox.task(name, { restore: { from, acknowledgeDataLoss: true } });
    },
  ],
  missing: ({ sandbox }) =>
    tasksLeft(sandbox) ?? (sandbox.restores.checks.length > 0 ? "a check's Job is left" : null),
};

/** A majority of the disks is lost at once. A person waits until the status says so, and follows what it says. */
export const quorum: Theme = {
  name: "quorum",
  prepare: (scene) => {
    const { sandbox } = scene;
    const look = (): void => {
      rescue(scene);
      sandbox.time.after(20_000, look);
    };
    look();
  },
  strokes: [
    ({ sandbox, chaos }) => {
      const { world } = sandbox;
      for (const lineage of world.lineages.values()) {
        const voters = lineage.seats.filter(({ learner }) => !learner);
        const running = world.running(lineage);
        const there = running.filter(({ disk }) => voters.some(({ id }) => id === idOf(disk)));
        if (lineage.leader === null || voters.length < 3 || there.length < voters.length) continue;
        const lost = there.slice(0, Math.floor(voters.length / 2) + 1);
        chaos.note(`the disks of ${lost.map(({ pod }) => pod).join(", ")} are lost at once`);
        for (const { pod } of lost) {
          const ref = { namespace: NAMESPACE, name: `data-${pod}` };
          const uid = sandbox.api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid;
          if (uid !== undefined) world.disks.set(uid, emptyDisk());
          world.stop(pod);
        }
        return;
      }
    },
  ],
  missing: ({ sandbox }) => tasksLeft(sandbox),
};

function rescue({ sandbox, chaos }: Scene): void {
  const { api, cluster } = sandbox;
  const lost = cluster?.status?.conditions?.find(({ type }) => type === "QuorumLost");
  const survivor = /with survivor (\S+) /.exec(lost?.message ?? "")?.[1];
  if (lost?.status !== "True" || survivor === undefined) return;
  const all = api.store.all(QUORATE_TASK) as unknown as QuorateTask[];
  // What others asked for may wait for the very quorum.
  const rescues = all.filter(({ spec }) => spec.recoverQuorum !== undefined);
  if (rescues.some(({ status }) => !["Complete", "Failed"].includes(status?.phase ?? ""))) return;
  const name = `rescue-${all.length}-${sandbox.time.now()}`;
  chaos.note(`${name}: ${survivor} goes on`);
  sandbox.task(name, { recoverQuorum: { survivor, acknowledgeDataLoss: true } });
}

/** Deleted with its volumes, or without; what is made under the name then has what was left. */
export const deletion: Theme = {
  name: "deletion",
  strokes: [
    ({ sandbox, chaos, random }) => {
      const onDelete = random.chance(0.5) ? "Delete" : "Retain";
      chaos.note(`onDelete: ${onDelete}`);
      sandbox.edit({ storage: { size: "8Gi", retention: { onDelete } } });
    },
  ],
  finale: async (scene) => {
    const { sandbox, chaos, random, judges } = scene;
    const onDelete = random.chance(0.5) ? "Delete" : "Retain";
    sandbox.edit({ storage: { size: "8Gi", retention: { onDelete } } });
    // Until somebody has read it, it is what it was.
    await sandbox.time.until("the policy is known", GONE_MS, () => {
      const { finalizers = [] } = sandbox.cluster.metadata;
      return finalizers.length === (onDelete === "Delete" ? 1 : 0);
    });
    const before = claimsOf(scene);
    chaos.note(`the cluster is deleted, onDelete: ${onDelete}`);
    judges.isGivenUp = onDelete === "Delete";
    sandbox.api.store.delete(QUORATE_CLUSTER, { namespace: NAMESPACE, name: CLUSTER });
    await sandbox.time.until("it is gone", GONE_MS, () => {
      const kinds = [QUORATE_CLUSTER, STATEFUL_SET, POD];
      return kinds.every((kind) => sandbox.api.store.all(kind).length === 0);
    });
    const after = claimsOf(scene);
    if (onDelete === "Delete") {
      if (after.length > 0) judges.breach("deletion", `${after.join(", ")} are left`);
      judges.goBack([]);
    } else {
      const missing = before.filter((uid) => !after.includes(uid));
      if (missing.length > 0) judges.breach("deletion", `${missing.length} disks went along`);
      // Nobody has founded anything yet, and a new cluster over disks that are all empty may.
      const disks = [...sandbox.world.disks.values()];
      if (disks.every(({ identity }) => identity === null)) judges.startAnew();
    }
    judges.startAnew();
    judges.isGivenUp = false;
    sandbox.create({ replicas: chaos.replicas });
  },
};

/** UIDs of those that hold a member, and are not leaving anyway. */
function claimsOf({ sandbox }: Scene): string[] {
  return sandbox.api.store
    .all(PERSISTENT_VOLUME_CLAIM)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata.uid ?? "");
}
