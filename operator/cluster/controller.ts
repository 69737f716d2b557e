/** QuorateCluster: what is watched, and what each pass is given. */
import { randomUUID } from "node:crypto";
import {
  CONFIG_MAP,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  POD_DISRUPTION_BUDGET,
  QUORATE_BACKUP,
  QUORATE_CLUSTER,
  QUORATE_TASK,
  SERVICE,
  STATEFUL_SET,
} from "../api/resources.ts";
import type { QuorateBackup, QuorateTask } from "../api/gen/types.ts";
import type { ControllerDefinition } from "../context.ts";
import type { Resource } from "../kube/api.ts";
import { type Source, keyInLabel, ownKey } from "../kube/controller.ts";
import { MemberAdmins } from "../member-admin.ts";
import { NEWEST_LAYOUT } from "./component/layout.ts";
import { CLUSTER_LABEL } from "./names.ts";
import { reconcileCluster } from "./reconcile.ts";

/** Secrets are not among them: nobody may list those, and passes read the few that matter. */
const OWNED: readonly Resource[] = [
  STATEFUL_SET,
  POD,
  PERSISTENT_VOLUME_CLAIM,
  CONFIG_MAP,
  SERVICE,
  POD_DISRUPTION_BUDGET,
];

/** Of a backup or a task: the cluster that it names. */
const namedCluster: Source["keysOf"] = (object) => {
  const { metadata, spec } = object as QuorateBackup | QuorateTask;
  return [`${metadata.namespace ?? ""}/${spec.clusterRef.name}`];
};

export const CLUSTER_CONTROLLER: ControllerDefinition = {
  name: "clusters",
  sources: [
    { resource: QUORATE_CLUSTER, keysOf: ownKey },
    ...OWNED.map((resource) => ({
      resource,
      labelSelector: CLUSTER_LABEL,
      keysOf: keyInLabel(CLUSTER_LABEL),
    })),
    { resource: QUORATE_TASK, keysOf: namedCluster },
    { resource: QUORATE_BACKUP, keysOf: namedCluster },
  ],
  build: ({ api, config, time, recorder, version }) => {
    const reconciler = {
      kube: api,
      admins: new MemberAdmins(),
      defaults: {
        version,
        repository: config.repository,
        layoutRevision: NEWEST_LAYOUT,
        clusterDomain: config.clusterDomain,
        operatorNamespace: config.namespace,
      },
      now: () => time.wall(),
      entropy: () => randomUUID(),
      recorder,
    };
    return { reconcile: async (ref) => ({ afterMs: await reconcileCluster(reconciler, ref) }) };
  },
};
