/** Volumes that grow, databases that are full, and a person who does what the status says about them. */
import { PERSISTENT_VOLUME_CLAIM } from "../../../operator/api/resources.ts";
import type { Claim } from "../../../operator/cluster/objects.ts";
import type { Scene, Theme } from "./themes.ts";

const SIZES = ["8Gi", "16Gi", "32Gi", "64Gi"] as const;
const LOOK_MS = 20_000;

export const volumes: Theme = {
  name: "volumes",
  prepare: watchRoom,
  strokes: [enlarge, fillUp],
  surprises: [fillUp],
  missing: ({ sandbox }) => {
    const { size } = sandbox.cluster.spec.storage;
    const claims = sandbox.api.store.all(PERSISTENT_VOLUME_CLAIM) as Claim[];
    const own = claims.filter(({ metadata }) => metadata.name.startsWith("data-"));
    const small = own.find(({ spec }) => spec?.resources?.requests?.storage !== size);
    if (small !== undefined) return `${small.metadata.name} has not grown to ${size}`;
    return alarmsLeft(sandbox.world.alarms);
  },
};

/** False: they are as large as they get. */
function enlarge({ sandbox, chaos }: Scene): boolean {
  const at = SIZES.findIndex((size) => size === sandbox.cluster.spec.storage.size);
  const size = SIZES[at + 1];
  if (size === undefined) return false;
  chaos.note(`volumes of ${size}`);
  sandbox.edit({ storage: { size } });
  return true;
}

/** Databases are as large as they may be; most of it is history, or all of it is in use. */
export function fillUp({ sandbox, chaos, random }: Scene): void {
  const { world } = sandbox;
  for (const lineage of world.lineages.values()) {
    const seat = lineage.seats[random.between(0, lineage.seats.length)];
    if (lineage.leader === null || seat === undefined) continue;
    const running = [...world.processes.values()].find(({ pod }) => pod === seat.name);
    const quota = (running?.quotaBytes ?? 0) / world.percentBytes;
    if (quota === 0) return;
    const isInUse = quota === 100 && random.chance(0.3);
    for (const { id } of lineage.seats) world.sizes.set(id, isInUse ? 101 : 0.98 * quota);
    chaos.note(`NOSPACE of ${seat.name}${isInUse ? ", and all of it is in use" : ""}`);
    world.alarms.add(`NOSPACE ${seat.id}`);
    return;
  }
}

/** Every twenty seconds. */
export function watchRoom(scene: Scene): void {
  makeRoom(scene);
  scene.sandbox.time.after(LOOK_MS, () => watchRoom(scene));
}

/** Told that the database is full of what is in use, a person deletes keys, or asks for more room. */
function makeRoom(scene: Scene): void {
  const { sandbox, chaos, random } = scene;
  const { conditions = [] } = sandbox.cluster?.status ?? {};
  const isTold = conditions.some(
    ({ type, status, message }) =>
      type === "Stalled" && status === "True" && message.includes("delete keys"),
  );
  if (!isTold || !random.chance(0.2) || (random.chance(0.5) && enlarge(scene))) return;
  chaos.note("keys are deleted");
  for (const [id, size] of sandbox.world.sizes) if (size > 100) sandbox.world.sizes.set(id, 98);
}

export function alarmsLeft(alarms: ReadonlySet<string>): string | null {
  return alarms.size === 0 ? null : `alarms: ${[...alarms].join(", ")}`;
}
