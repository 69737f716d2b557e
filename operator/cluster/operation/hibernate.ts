/** `replicas: 0` stops the pods and keeps the disks; what comes back first is what was there. Pure. */
import { type Action, wait } from "../action.ts";
import { begin, finish } from "../step.ts";
import type { View } from "../view.ts";
import { describePod } from "./describe.ts";

/** Asked before anything else: who sleeps has no quorum, and needs none. */
export function planSleep(view: View): Action | null {
  const { spec, journal } = view;
  if (spec.replicas === 0) {
    if (journal.size === 0) return { kind: "settled" };
    return begin(view, { type: "Hibernate", step: "StopPods" }, { size: 0, asleep: journal.size });
  }
  if (journal.asleep === null) return null;
  return begin(view, { type: "Wake", step: "StartPods" }, { size: journal.asleep, asleep: null });
}

export function planHibernate(view: View): Action {
  const { pods } = view.facts;
  if (pods.size > 0) return wait("AwaitPodsGone", `${pods.size} pods have not stopped yet`);
  return finish(view, "Done", "every pod is stopped, every volume is kept");
}

/** All pods at once: none of them has a quorum alone. */
export function planWake(view: View): Action {
  if (view.memberList !== null) return finish(view, "Done", "the members have a quorum again");
  const absent = view.places.filter(({ state }) => state === null);
  const told = absent.map((place) => `${place.name}: ${describePod(view, place)}`).join("; ");
  return wait("AwaitQuorum", `the members have no quorum yet: ${told}`);
}
