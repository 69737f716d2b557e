/** The first thing that is ever written for a cluster: its journal. Pure. */
import type { Action } from "./action.ts";
import { adopt, specOf } from "./adoption.ts";
import type { Facts } from "./facts.ts";
import { type Journal, type Latched, latchedTransport } from "./journal.ts";
import { CONTAINER, claimOrdinalOf } from "./names.ts";
import { firstRestore } from "./operation/restore.ts";
import { type OperationStart, started } from "./step.ts";
import { type Transport, transportOf, wantedTransport } from "./transport.ts";

/**
 * Claims that are there already may hold data, and nothing is known of them yet: as many pods as it takes to look into all are
 * made.
 */
export function planBirth(facts: Facts): Action {
  const { name, generation = 1 } = facts.cluster.metadata;
  const spec = specOf(facts.cluster);
  const ordinals = [...facts.claims.keys()].flatMap((claim) => claimOrdinalOf(name, claim) ?? []);
  const size = Math.max(spec.replicas, ...ordinals.map((ordinal) => ordinal + 1));
  if (size === 0) return { kind: "settled" };
  const before = { latched: firstLatch(facts), downgradeTo: null };
  const { latched, adopted } = adopt(spec, generation, before, null);
  const priorClaims = [...facts.claims.values()].map(({ metadata }) => metadata.uid ?? "");
  const start = firstOperation(facts, priorClaims, size);
  const document: Journal = {
    version: 1,
    // Boot files of a journal that was lost are older than this one, and are replaced.
    revision: (facts.bootFiles?.journalRevision ?? 0) + 1,
    latched,
    adopted,
    proven: null,
    failed: null,
    incarnation: 1,
    clusterId: null,
    // No pod may hold the disk that a snapshot is put on.
    size: start.type === "Restore" ? 0 : size,
    asleep: null,
    boot: {},
    operation: started(start, { counter: 0, adopted }, facts.now, null),
    counter: 1,
    recreates: {},
    rootPassword: null,
    downgradeTo: null,
    rotated: null,
    history: [],
  };
  return { kind: "journal", document };
}

function firstLatch(facts: Facts): Latched {
  const { cluster, defaults } = facts;
  const latched = {
    version: cluster.spec.version ?? defaults.version,
    repository: defaults.repository,
    layoutRevision: cluster.spec.layoutRevision ?? defaults.layoutRevision,
    clusterDomain: defaults.clusterDomain,
  };
  return latchedTransport(latched, transportFound(facts) ?? wantedTransport(specOf(cluster)));
}

/** Where the journal was lost, what the members were started with, and will be: between two of them, what goes with both. */
function transportFound({ statefulSet, pods }: Facts): Transport | null {
  const template = transportOf(statefulSet?.spec.template, CONTAINER);
  if (template !== null) return template;
  const found = new Set([...pods.values()].flatMap((pod) => transportOf(pod, CONTAINER) ?? []));
  const [only = null] = found;
  if (found.size < 2) return only;
  return found.has("Plaintext") || found.has("MixedHttp") ? "MixedHttp" : "MixedHttps";
}

/** A snapshot is for a cluster that has nothing yet: where there are disks already, they come first. */
function firstOperation(
  facts: Facts,
  priorClaims: readonly string[],
  size: number,
): OperationStart {
  const source = facts.cluster.spec.bootstrap?.restoreFrom;
  if (source === undefined || priorClaims.length > 0)
    return { type: "Bootstrap", step: "AwaitPods", priorClaims, nonce: null };
  return firstRestore(source, facts.entropy, size);
}
