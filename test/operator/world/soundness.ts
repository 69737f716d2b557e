/** What is wrong with members' data, and with what members may do because of it. */
import { quorumOf } from "../../../operator/cluster/view.ts";
import { type Running, idOf } from "./consensus.ts";
import type { World } from "./world.ts";

/** An alarm says that its history is wrong: it tells nobody what it holds, and takes no part. */
export function isMuted({ alarms }: World, id: string): boolean {
  return alarms.has(`CORRUPT ${id}`);
}

/** Whichever alarm it is, nothing grows. */
export function refusesWrites({ alarms }: World): boolean {
  return alarms.size > 0;
}

/** A survivor goes on alone, under another id of this model: its alarms alone stay, and its history is the only one. */
export function leaveOnly({ alarms, odd, sizes }: World, before: string, after: string): void {
  const kept = [...alarms].filter(
    (raised) => /^\S+ 0$/.test(raised) || raised.endsWith(` ${before}`),
  );
  alarms.clear();
  for (const raised of kept) alarms.add(raised.replace(` ${before}`, ` ${after}`));
  odd.delete(before);
  const size = sizes.get(before);
  if (size !== undefined) sizes.set(after, size);
}

/** Those of whom one may be lost for good: voters that have everything, as long as a quorum stays that is sound. Else none. */
export function spareVoters(world: World): readonly Running[] {
  for (const lineage of world.lineages.values()) {
    const voters = lineage.seats.filter(({ learner }) => !learner);
    if (lineage.leader === null || voters.length < 3) continue;
    const ids = new Set(voters.map(({ id }) => id));
    const whole = world.running(lineage).filter(({ disk }) => {
      const id = idOf(disk);
      const isSound = !world.odd.has(id) && !isMuted(world, id);
      return ids.has(id) && isSound && disk.index === lineage.entries.length;
    });
    if (whole.length - 1 >= quorumOf(voters.length)) return whole;
  }
  return [];
}
