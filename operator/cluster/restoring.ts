/** What a restore has made and deleted: the Job that reads its source, the disk of ordinal 0 and the Job that fills it. */
import { present, unreachable } from "../../src/base/assert.ts";
import { PERSISTENT_VOLUME_CLAIM } from "../api/resources.ts";
import type { PodTemplateSpec } from "../api/gen/types.ts";
import type { KubeApi } from "../kube/api.ts";
import type { Action } from "./action.ts";
import { DATA_DIR, MEMBER_DIR } from "./component/layout.ts";
import { ownerOf } from "./component/owned.ts";
import { buildClaim, imageOf } from "./component/stateful-set.ts";
import type { Facts } from "./facts.ts";
import { type Journal, type RestoreOperation, templateSource } from "./journal.ts";
import { checkJobName, claimName, labelsOf, podName, restoreJobName } from "./names.ts";
import { incarnationOf } from "./operation/restore.ts";
import type {
  CheckOrder,
  JobFrame,
  Origin,
  RestoreOrder,
  RestorePort,
  SourceOrder,
} from "./restore-port.ts";
import { peerUrlOf } from "./view.ts";

export type RestoreAction = Extract<
  Action,
  { kind: "createClaim" | "checkJob" | "deleteCheckJob" | "restoreJob" | "deleteRestoreJob" }
>;

export async function performRestore(
  kube: KubeApi,
  restores: RestorePort,
  facts: Facts,
  action: RestoreAction,
): Promise<void> {
  const { cluster } = facts;
  const { name, namespace = "" } = cluster.metadata;
  const { document } = present(facts.journal, "a restore has a journal");
  const { operation, adopted } = document;
  if (operation?.type !== "Restore") return;
  switch (action.kind) {
    case "createClaim": {
      const claim = buildClaim(cluster, adopted.spec, adopted.spec.storage.size);
      claim.metadata = { ...claim.metadata, namespace, name: claimName(name, action.ordinal) };
      await kube.create(PERSISTENT_VOLUME_CLAIM, claim);
      return;
    }
    case "checkJob":
      return await restores.check(checkOrderOf(facts, document, operation, action.origin));
    case "deleteCheckJob":
      return await restores.drop({ namespace, name: checkJobName(name, operation.nonce) });
    case "restoreJob":
      return await restores.start(orderOf(facts, document, operation, action.origin));
    case "deleteRestoreJob":
      return await restores.drop({ namespace, name: restoreJobName(name, operation.nonce) });
    default:
      return unreachable(action);
  }
}

/** Of a pod's spec: what says where it may run, on its own. */
const PLACEMENT = [
  "nodeSelector",
  "affinity",
  "tolerations",
  "schedulerName",
  "priorityClassName",
  "runtimeClassName",
] as const;

function placementOf(template: PodTemplateSpec | undefined): JobFrame["scheduling"] {
  const given: Readonly<Record<string, unknown>> = template?.spec ?? {};
  const said = PLACEMENT.filter((field) => given[field] !== undefined);
  return Object.fromEntries(said.map((field) => [field, given[field]]));
}

/** On nodes that members may run on. Which pods may not be beside theirs says nothing: while it runs, theirs are there. */
function checkPlacementOf(template: PodTemplateSpec | undefined): JobFrame["scheduling"] {
  const { affinity, ...placement } = placementOf(template);
  const nodeAffinity = (affinity as PodAffinities | undefined)?.nodeAffinity;
  return nodeAffinity === undefined ? placement : { ...placement, affinity: { nodeAffinity } };
}

interface PodAffinities {
  readonly nodeAffinity?: object;
}

function checkOrderOf(
  facts: Facts,
  journal: Journal,
  operation: RestoreOperation,
  origin: Origin,
): CheckOrder {
  const job = checkJobName(facts.cluster.metadata.name, operation.nonce);
  const { podTemplate } = templateSource(journal).spec;
  return {
    ...frameOf(facts, job, checkPlacementOf(podTemplate)),
    ...sourceOf(journal, origin),
  };
}

function frameOf({ cluster }: Facts, job: string, scheduling: JobFrame["scheduling"]): JobFrame {
  const { name, namespace = "" } = cluster.metadata;
  return { namespace, name: job, owner: ownerOf(cluster), labels: labelsOf(name), scheduling };
}

/** With the image that members run: that of a roll which failed may be the reason for the restore. */
function sourceOf(journal: Journal, origin: Origin): SourceOrder {
  const { spec, latched } = templateSource(journal);
  return { origin, image: imageOf(spec, latched), pull: spec.image };
}

function orderOf(
  facts: Facts,
  journal: Journal,
  operation: RestoreOperation,
  origin: Origin,
): RestoreOrder {
  const { cluster } = facts;
  const { name, namespace = "" } = cluster.metadata;
  const { podTemplate } = templateSource(journal).spec;
  return {
    ...frameOf(facts, restoreJobName(name, operation.nonce), placementOf(podTemplate)),
    ...sourceOf(journal, origin),
    claimName: claimName(name, 0),
    mountPath: DATA_DIR,
    dataDir: MEMBER_DIR,
    nonce: operation.nonce,
    inPlace: operation.inPlace,
    member: podName(name, 0),
    peerUrl: peerUrlOf(facts, journal, 0),
    token: `${namespace}/${name}`,
    incarnation: incarnationOf(journal, operation),
  };
}
