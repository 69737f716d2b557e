/** What is not begun while something is wrong, stops here. Pure. */
import { type Action, wait } from "./action.ts";
import { describePod } from "./operation/describe.ts";
import { isQuotaRaised } from "./operation/space.ts";
import { type View, isOutdated } from "./view.ts";

/** Every member takes part, no alarm is raised; else a reason to wait. */
export function planGate(view: View): Action | null {
  const { facts } = view;
  const absent = view.places.filter(({ member, participates }) => member !== null && !participates);
  // A roll may be what mends it: whoever is outdated and down may always be made anew. While one has failed, none comes.
  const isStill = view.journal.failed !== null;
  const [first] = absent.filter((place) => isStill || !isOutdated(view, place));
  if (first !== undefined)
    return wait(
      "AwaitMembers",
      `${first.name} does not take part: ${describePod(view, first)}`,
      5_000,
    );
  if (!facts.alarms.known) return wait("AwaitAlarms", `alarms cannot be read: ${facts.alarms.why}`);
  const [alarm] = facts.alarms.value;
  // A larger quota is what ends this alarm, and a roll brings it.
  if (alarm?.alarm === "NOSPACE" && isQuotaRaised(view)) return null;
  if (alarm !== undefined)
    return wait(
      "AwaitAlarms",
      `the alarm ${alarm.alarm} of member ${alarm.memberId} is raised`,
      5_000,
    );
  return null;
}
