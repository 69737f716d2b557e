/** Members whose history differs from that of the others, and disks that cannot be read. */
import { idOf } from "./consensus.ts";
import { spareVoters } from "./soundness.ts";
import type { Scene, Theme } from "./themes.ts";

export const corruption: Theme = {
  name: "corruption",
  strokes: [diverge, damage],
  surprises: [diverge, diverge, damage],
  missing: ({ sandbox: { world } }) => {
    const [alarm] = world.alarms;
    if (alarm !== undefined) return `the alarm ${alarm} is raised`;
    const seats = [...world.lineages.values()].flatMap((lineage) =>
      lineage.leader === null ? [] : lineage.seats,
    );
    const odd = seats.find(({ id }) => world.odd.has(id));
    return odd === undefined ? null : `${odd.name} is a member, and its history differs`;
  },
};

/** An alarm is raised: of the one that differs, of nobody, of somebody else, or of one that has been rebuilt since. */
function diverge({ sandbox: { world }, chaos, random }: Scene): void {
  const spare = spareVoters(world);
  const victim = spare[random.between(0, Math.max(1, spare.length))];
  if (victim === undefined) return;
  const id = idOf(victim.disk);
  const draw = random.next();
  const other = spare.find((each) => each !== victim);
  const named = draw < 0.5 ? id : draw < 0.8 || other === undefined ? "0" : idOf(other.disk);
  const isOdd = random.chance(0.85);
  if (isOdd) world.odd.add(id);
  chaos.note(`CORRUPT of ${named}, ${isOdd ? `${victim.pod}, ${id}, differs` : "nobody differs"}`);
  world.alarms.add(`CORRUPT ${named}`);
  // One that knows about itself may find its disk damaged as well, when it begins anew.
  if (!isOdd || !random.chance(0.3)) return;
  chaos.note(`its disk is damaged as well`);
  victim.disk.isDamaged = true;
  world.stop(victim.pod);
}

/** A member finds a wrong checksum, and ends. */
function damage({ sandbox: { world }, chaos, random }: Scene): void {
  const spare = spareVoters(world);
  const victim = spare[random.between(0, Math.max(1, spare.length))];
  if (victim === undefined) return;
  chaos.note(`the disk of ${victim.pod} is damaged`);
  victim.disk.isDamaged = true;
  world.stop(victim.pod);
}
