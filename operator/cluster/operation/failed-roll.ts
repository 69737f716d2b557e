/**
 * What becomes of a roll that failed. Pods are made of the template in which most of them run, as long as the spec asks for the
 * one that failed: whoever dies for another reason comes back in what works, and so does the pod at which it failed, unless a
 * newer build has written on its disk what the older one may not read. Pure.
 */
import type { Action } from "../action.ts";
import { desiredStatefulSet } from "../component/objects.ts";
import { secretsOf } from "../component/secrets.ts";
import { buildTemplate, imageOf } from "../component/stateful-set.ts";
import {
  type FailedRoll,
  type Journal,
  type ProvenTemplate,
  type TemplateSource,
  latchedTransport,
  sourceBefore,
} from "../journal.ts";
import { APPLIED_ANNOTATION, CONTAINER, digestOf } from "../names.ts";
import { type Pod, isTerminating } from "../objects.ts";
import { begin, finish, write } from "../step.ts";
import {
  type Place,
  type View,
  canRest,
  isOutdated,
  quorumOf,
  revisionOf,
  updateRevision,
} from "../view.ts";
import { containerOf, endOf, saysDamage } from "./describe.ts";

/** On the cluster: another value has a roll that failed tried again. */
export const RETRY_ANNOTATION = "quorate.io/retry-roll";
/** Of the condition Stalled, and of its Event. */
export const ROLL_FAILED = "RollFailed";

/**
 * The roll ends, if it has begun, and what it was to bring is withdrawn; null: there is nothing that a majority would run in
 * again. `place` is where it failed, `why` a whole sentence.
 */
export function planWithdrawal(view: View, place: Place, why: string): Action | null {
  const { journal, voters, memberList, facts } = view;
  const { proven } = journal;
  const revision = updateRevision(view);
  if (proven === null || revision === null || proven.revision === revision) return null;
  const end = place.pod === null ? null : endOf(place.pod);
  const template = templateDigest(view, wantedSource(journal));
  // Only TLS comes or goes.
  if (template === templateDigest(view, sourceBefore(journal, proven))) return null;
  // Its disk is to blame, whether or not the list says yet whose it is.
  if (end !== null && place.boot === null && saysDamage(end)) return null;
  // Without the list nobody knows who is a member: it counts whoever shall have a pod.
  const isCounted = ({ member, ordinal }: Place): boolean =>
    memberList === null ? ordinal < journal.size : member !== null && !member.isLearner;
  const willRun = (each: Place): boolean => {
    const ofPod = each.pod === null ? null : revisionOf(each.pod);
    if (ofPod === proven.revision) return true;
    return !(each.participates && ofPod === revision) && canGoBack(view, each);
  };
  const count = view.places.filter((each) => isCounted(each) && willRun(each)).length;
  const size = memberList === null ? journal.size : voters.length;
  if (count < quorumOf(size)) return null;
  const failed: FailedRoll = {
    revision,
    template,
    podUid: place.pod?.metadata.uid ?? null,
    message: `the roll to ${describeWanted(journal)} failed: ${why}`,
    retry: facts.cluster.metadata.annotations?.[RETRY_ANNOTATION] ?? null,
  };
  return journal.operation?.type === "Roll"
    ? finish(view, "Failed", why, { failed })
    : write(view, { failed });
}

/** What of the last roll that failed a person has to know; null: none has. */
export function tellFailedRoll(view: View): string | null {
  const { failed, proven } = view.journal;
  if (failed === null || proven === null) return null;
  const left = view.places.filter((place) => isLeftAlone(view, place)).map(({ name }) => name);
  const kept =
    left.length === 0
      ? ""
      : ` ${left.join(", ")} stays as it is: ${proven.latched.version} may not read what a newer version has written there.`;
  return `${failed.message}. Pods are made as before it.${kept} Correct the spec or set it back; another value of the annotation ${RETRY_ANNOTATION} has it tried again`;
}

/** A person has it tried again. */
export function planRetry(view: View): Action | null {
  const { failed } = view.journal;
  const asked = view.facts.cluster.metadata.annotations?.[RETRY_ANNOTATION] ?? null;
  if (failed === null || asked === null || asked === failed.retry) return null;
  return write(view, { failed: null });
}

/** The pod at which it failed, if it runs and yet takes no part, is made anew: where nothing runs the upkeep does it. */
export function planGoingBack(view: View): Action | null {
  const { failed } = view.journal;
  if (failed === null || failed.podUid === null) return null;
  const place = view.places.find(({ pod }) => pod?.metadata.uid === failed.podUid);
  if (place?.pod == null || isTerminating(place.pod) || !isOutdated(view, place)) return null;
  if (place.member === null || place.participates || !canGoBack(view, place)) return null;
  if (!canRest(view, place)) return null;
  const { name: member } = place;
  return begin(view, { type: "RecreatePod", step: "DeletePod", member, podUid: failed.podUid });
}

/** The pod is not of what pods are made of since a roll failed, and nobody knows whether its member would run in that. */
export function isLeftAlone(view: View, place: Place): boolean {
  const { failed, proven } = view.journal;
  if (failed === null || proven === null || place.pod === null) return false;
  return revisionOf(place.pod) !== proven.revision && !canGoBack(view, place);
}

/** Once a majority takes part in what the spec has, that is what the next roll may go back to. */
export function planProving(view: View): Action | null {
  const { proven, failed } = view.journal;
  const revision = updateRevision(view);
  if (failed !== null || revision === null || revision === proven?.revision) return null;
  const now = provenNow(view);
  return now?.revision === revision ? write(view, { proven: now }) : null;
}

/** Of the journal, when another spec is adopted: whether it is what failed already, and what was proven until now. */
export function adoptedBeside(
  view: View,
  source: TemplateSource,
): Pick<Journal, "proven" | "failed"> {
  const { failed } = view.journal;
  const isSame = failed !== null && templateDigest(view, source) === failed.template;
  return { proven: provenNow(view), failed: isSame ? failed : null };
}

/** What was latched before the roll that failed, once none of its pods is left; null: what is latched holds. */
export function latchedBefore({ journal, places }: View): Journal["latched"] | null {
  const { failed, proven, latched } = journal;
  if (failed === null || proven === null || proven.outgrown.length > 0) return null;
  const isGone = places.every(({ pod }) => pod === null || revisionOf(pod) !== failed.revision);
  return isGone ? latchedTransport(proven.latched, latched.transport) : null;
}

/** The template that the spec asks for, if pods are made of it and a majority of the voters takes part in it; else what was. */
export function provenNow(view: View): ProvenTemplate | null {
  const { journal, places, voters, facts } = view;
  const revision = updateRevision(view);
  const { object } = desiredStatefulSet(view);
  const applied = facts.statefulSet?.metadata.annotations?.[APPLIED_ANNOTATION];
  const isApplied = applied === object.metadata.annotations?.[APPLIED_ANNOTATION];
  const count = places.filter((place) => place.participates && !isOutdated(view, place)).length;
  const isProven = revision !== null && voters.length > 0 && count >= quorumOf(voters.length);
  if (journal.failed === null && isApplied && isProven)
    return { revision, ...wantedSource(journal), outgrown: [] };
  const { proven } = journal;
  if (proven === null) return null;
  const grown = places.filter(
    (place) =>
      place.pod !== null && revisionOf(place.pod) !== proven.revision && !canGoBack(view, place),
  );
  const outgrown = [...new Set([...proven.outgrown, ...grown.map(({ name }) => name)])];
  return { ...proven, outgrown };
}

/** Whether the proven build surely reads this member's disk: no build of a newer minor version has run there. */
function canGoBack({ journal }: View, { name, pod, boot }: Place): boolean {
  const { proven } = journal;
  if (proven === null || proven.outgrown.includes(name)) return false;
  if (pod !== null && boot === null && hasNotRun(pod)) return true;
  const [before, after] = [buildOf(proven), buildOf(wantedSource(journal))];
  if (before.image === after.image) return true;
  const version = boot?.version ?? after.version;
  return before.version !== null && version !== null && !isNewerMinor(version, before.version);
}

/** The kubelet has made no container of it yet, or could not. */
function hasNotRun(pod: Pod): boolean {
  const container = containerOf(pod);
  if (container === null) return pod.status?.phase === "Pending" || pod.status?.phase === undefined;
  const { state, lastState, restartCount = 0 } = container;
  return state?.waiting !== undefined && lastState?.terminated === undefined && restartCount === 0;
}

/** What the spec asks for, whether or not pods are made of it. */
function wantedSource({ adopted, latched }: Journal): TemplateSource {
  return { spec: adopted.spec, latched };
}

/** The member's image, and its version where the image is not one that `spec.podTemplate` names. */
function buildOf({ spec, latched }: TemplateSource): {
  readonly image: string;
  readonly version: string | null;
} {
  const containers = spec.podTemplate?.spec?.["containers"];
  const given: unknown = Array.isArray(containers)
    ? containers.find((each: unknown) => fieldOf(each, "name") === CONTAINER)
    : undefined;
  const image = fieldOf(given, "image");
  return typeof image === "string"
    ? { image, version: null }
    : { image: imageOf(spec, latched), version: latched.version };
}

function fieldOf(value: unknown, key: string): unknown {
  if (value === null || typeof value !== "object") return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function isNewerMinor(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldMajor = 0, oldMinor = 0] = than.split(".").map(Number);
  return major > oldMajor || (major === oldMajor && minor > oldMinor);
}

/** For people: the image, if it is another one, since the rest of a template has no name. */
function describeWanted(journal: Journal): string {
  const { image } = buildOf(wantedSource(journal));
  const isOther = journal.proven === null || buildOf(journal.proven).image !== image;
  return isOther ? image : "the template that the spec asks for";
}

function templateDigest({ facts }: View, source: TemplateSource): string {
  const { cluster } = facts;
  const secrets = secretsOf(cluster.metadata.name, source.latched);
  return digestOf(buildTemplate({ cluster, ...source, secrets }));
}
