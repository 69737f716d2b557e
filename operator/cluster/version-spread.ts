/** How far apart the versions of members may be: neighbours understand each other and each other's disks, nobody else. Pure. */
import type { Action } from "./action.ts";
import type { Journal } from "./journal.ts";
import { write } from "./step.ts";
import type { Place, View } from "./view.ts";

export function minorOf(version: string): number {
  return Number(version.split(".")[1] ?? 0);
}

/**
 * Why `wanted` cannot be followed yet: a roll to what is followed now is not over, and a disk may be of a version that is
 * further from it than the next minor one. Null: it can.
 */
export function refuseSpread(view: View, wanted: string): string | null {
  const { journal, places } = view;
  const left = journal.versionsLeft ?? {};
  for (const { name } of places) {
    const far = left[name]?.find((version) => Math.abs(minorOf(wanted) - minorOf(version)) > 1);
    if (far !== undefined)
      return `spec.version ${wanted} skips a minor version for ${name}, which may still be in ${far}: it follows once every member was seen in ${journal.latched.version}`;
  }
  return null;
}

/** With another minor version adopted, nobody is in it before it was seen there: what may be on each disk until then. */
export function versionsLeftBy(view: View, next: string): Pick<Journal, "versionsLeft"> {
  const { latched, versionsLeft = {} } = view.journal;
  if (minorOf(next) === minorOf(latched.version)) return {};
  const left = view.places.map(({ name }): [string, readonly string[]] => [
    name,
    [...new Set([...(versionsLeft[name] ?? []), latched.version])],
  ]);
  return { versionsLeft: Object.fromEntries(left) };
}

/** Who runs in the version that is followed, or waits for its ticket in it, has left the others behind. */
export function planArrival(view: View): Action | null {
  const left = Object.entries(view.journal.versionsLeft ?? {});
  const arrived = new Set(view.places.filter((each) => hasArrived(view, each)).map(nameOf));
  const rest = left.filter(([name]) => !arrived.has(name));
  if (rest.length === left.length) return null;
  return write(view, { versionsLeft: Object.fromEntries(rest) });
}

function hasArrived({ journal }: View, { boot }: Place): boolean {
  if (boot === null || minorOf(boot.version) !== minorOf(journal.latched.version)) return false;
  return boot.phase === "Running" || (boot.phase === "AwaitingTicket" && boot.memberId === null);
}

function nameOf({ name }: Place): string {
  return name;
}
