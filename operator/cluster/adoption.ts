/** When a changed spec is taken over, and what of it is refused. Pure. */
import type { Action } from "./action.ts";
import { defaultTls, withDefaults } from "../api/apply-defaults.ts";
import type { DefaultedClusterSpec, QuorateCluster } from "../api/gen/types.ts";
import { isTimeZone } from "../api/time-zone.ts";
import type { AdoptedSpec, Journal, Latched } from "./journal.ts";
import { LAYOUTS } from "./component/layout.ts";
import { cannotStart } from "./operation/describe.ts";
import { adoptedBeside, latchedBefore } from "./operation/failed-roll.ts";
import { write } from "./step.ts";
import { hasCertificates } from "./transport.ts";
import { minorOf, refuseSpread, versionsLeftBy } from "./version-spread.ts";
import type { View } from "./view.ts";

/** A spec as the operator reads it: with the defaults, whether or not the API server knew them. */
export function specOf(cluster: QuorateCluster): DefaultedClusterSpec {
  return withDefaults(cluster.spec);
}

/**
 * Between operations, in those that a wrong spec may have brought to a stop before anything came of them, and in any one while a
 * container cannot begin: the newer spec may be its cure, without which nobody would get on.
 */
function mayAdopt({ journal: { operation }, places }: View): boolean {
  if (operation === null || places.some(cannotStart)) return true;
  if (operation.type === "Restore") return !operation.inPlace;
  return operation.type === "Bootstrap" || operation.type === "AddMember";
}

/** What was refused of a spec is judged anew in each pass: a task, or a newer operator, may have made it possible. */
export function planAdoption(view: View): Action | null {
  const { facts, journal } = view;
  const generation = facts.cluster.metadata.generation ?? 0;
  const isKnown = generation === journal.adopted.generation;
  if ((isKnown && journal.adopted.refusal === null) || !mayAdopt(view)) return null;
  const spec = withTlsOfBefore(specOf(facts.cluster), journal);
  // A version that no member came up in is none to go on from, unless it is asked for again.
  const from = spec.version === journal.latched.version ? null : latchedBefore(view);
  const before = { latched: from ?? journal.latched, downgradeTo: journal.downgradeTo };
  const spread = refuseSpread(view, spec.version ?? before.latched.version);
  const { latched, adopted } = adopt(spec, generation, before, spread);
  if (isKnown && adopted.refusal === journal.adopted.refusal) return null;
  // It was for one way down, and from where the cluster was then.
  const isSpent =
    latched.version === journal.downgradeTo ||
    minorOf(latched.version) !== minorOf(journal.latched.version);
  return write(view, {
    latched,
    adopted,
    ...adoptedBeside(view, { spec, latched }),
    ...versionsLeftBy(view, latched.version),
    ...(isSpent ? { downgradeTo: null } : {}),
  });
}

/**
 * A spec without TLS says nothing of certificates: as long as members have some, who issues them and who is asked for one stays
 * as it was, or clients would be refused that have yet to move.
 */
function withTlsOfBefore(
  spec: DefaultedClusterSpec,
  { adopted, latched }: Pick<Journal, "adopted" | "latched">,
): DefaultedClusterSpec {
  if (spec.tls !== undefined || !hasCertificates(latched.transport)) return spec;
  return { ...spec, tls: adopted.spec.tls ?? defaultTls() };
}

/** The spec, and what is latched of it from now on. `held`: why its version cannot be followed yet; null: it can. */
export function adopt(
  spec: DefaultedClusterSpec,
  generation: number,
  { latched, downgradeTo }: Pick<Journal, "latched" | "downgradeTo">,
  held: string | null,
): { readonly latched: Latched; readonly adopted: AdoptedSpec } {
  const wanted = spec.version ?? latched.version;
  const layout = spec.layoutRevision ?? latched.layoutRevision;
  const refusedVersion = refuseVersion(latched.version, wanted, downgradeTo) ?? held;
  const refusals = [
    refusedVersion,
    LAYOUTS.has(layout)
      ? null
      : `spec.layoutRevision ${layout} is not one that this operator knows: ${[...LAYOUTS].join(", ")}`,
    isTimeZone(spec.update.timeZone)
      ? null
      : `spec.update.timeZone ${spec.update.timeZone} is not in the tables of time zones: correct the name, until then no window opens`,
  ].filter((refusal) => refusal !== null);
  const version = refusedVersion === null ? wanted : latched.version;
  return {
    latched: {
      ...latched,
      version,
      layoutRevision: LAYOUTS.has(layout) ? layout : latched.layoutRevision,
    },
    adopted: { generation, spec, refusal: refusals.length === 0 ? null : refusals.join("; ") },
  };
}

/** Up by patches and by one minor at a time; down within a minor, or to where a downgrade was prepared. */
export function refuseVersion(from: string, to: string, downgradeTo: string | null): string | null {
  const [oldMajor = 0, oldMinor = 0] = from.split(".").map(Number);
  const [major = 0, minor = 0] = to.split(".").map(Number);
  if (from === to) return null;
  if (major !== oldMajor)
    return `spec.version ${to} is of another major version than ${from}: restore a backup into a new cluster`;
  if (minor > oldMinor + 1)
    return `spec.version ${to} skips a minor version after ${from}: go to ${major}.${oldMinor + 1} first`;
  if (minor < oldMinor - 1)
    return `spec.version ${to} skips a minor version before ${from}: go to ${major}.${oldMinor - 1} first`;
  if (minor < oldMinor && to !== downgradeTo)
    return `spec.version ${to} is older than ${from}: make a QuorateTask downgrade to it first`;
  return null;
}
