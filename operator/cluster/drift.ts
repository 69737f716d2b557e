/** Whether an owned object is as it was meant. Pure. */
import type { KubeObject } from "../kube/api.ts";
import { APPLIED_ANNOTATION, digestOf } from "./names.ts";

export function isOwned(object: KubeObject, owner: KubeObject): boolean {
  const uid = owner.metadata.uid;
  return object.metadata.ownerReferences?.some((reference) => reference.uid === uid) ?? false;
}

/** The object with a digest of what it is meant to be. */
export function stamped<T extends KubeObject>(object: T): T {
  const { metadata } = object;
  const annotations = { ...metadata.annotations, [APPLIED_ANNOTATION]: digestOf(object) };
  return { ...object, metadata: { ...metadata, annotations } };
}

/**
 * What was applied last is told by the digest. Fields are compared too, in case somebody changed one, but not the pod template:
 * the API server may write what a person gave in another way, and would be told again and again.
 */
export function differs(desired: KubeObject, live: KubeObject): boolean {
  const want = desired.metadata.annotations?.[APPLIED_ANNOTATION];
  if (live.metadata.annotations?.[APPLIED_ANNOTATION] !== want) return true;
  return !covers(live, desired, "");
}

const UNCOMPARED: readonly string[] = [
  ".spec.template",
  ".spec.volumeClaimTemplates",
  ".spec.replicas",
];

/** Whether everything that `desired` says holds of `live`. */
function covers(live: unknown, desired: unknown, path: string): boolean {
  if (UNCOMPARED.includes(path)) return true;
  if (Array.isArray(desired)) {
    if (!Array.isArray(live) || live.length !== desired.length) return false;
    return desired.every((each, at) => covers(live[at], each, `${path}[]`));
  }
  if (desired !== null && typeof desired === "object") {
    if (live === null || typeof live !== "object") return isEmpty(desired) && live === undefined;
    const held = live as Readonly<Record<string, unknown>>;
    return Object.entries(desired).every(
      ([key, value]) => value === undefined || covers(held[key], value, `${path}.${key}`),
    );
  }
  return live === desired;
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
