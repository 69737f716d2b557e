/** The controller of clusters and their tasks: what touches a cluster, and the pass over it. */
import { randomUUID } from "node:crypto";
import {
  CONFIG_MAP,
  JOB,
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
import type { KubeObject, Resource } from "../kube/api.ts";
import { type Source, keyInLabel, ownKey } from "../kube/controller.ts";
import { MemberAdmins } from "../member-admin.ts";
import type { Action } from "./action.ts";
import { NEWEST_LAYOUT } from "./component/layout.ts";
import { CLUSTER_LABEL } from "./names.ts";
import type { RestorePorts } from "./restore-port.ts";
import { type ClusterReconciler, reconcileCluster } from "./reconcile.ts";

/** Secrets are not among them: nobody may list those, and passes read the few that matter. */
const OWNED: readonly Resource[] = [
  STATEFUL_SET,
  POD,
  PERSISTENT_VOLUME_CLAIM,
  CONFIG_MAP,
  SERVICE,
  POD_DISRUPTION_BUDGET,
  JOB,
];

/** Passes wait for members most of the time. */
const WORKERS = 8;

/** Keys alone are made of what is watched, so that the larger parts need not be held. */
function trimmed({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata };
}

function labelled(resource: Resource): Source {
  return {
    resource,
    labelSelector: CLUSTER_LABEL,
    trim: trimmed,
    keysOf: keyInLabel(CLUSTER_LABEL),
  };
}

/** A backup and a task name their cluster. */
const keyOfClusterRef: Source["keysOf"] = (object) => {
  const { metadata, spec } = object as QuorateBackup | QuorateTask;
  return metadata.namespace === undefined ? [] : [`${metadata.namespace}/${spec.clusterRef.name}`];
};

/** `restores`: how restores are made, by whoever knows of backups. */
export function clusterController(restores: RestorePorts): ControllerDefinition {
  return {
    name: "clusters",
    workers: WORKERS,
    sources: [
      { resource: QUORATE_CLUSTER, keysOf: ownKey },
      { resource: QUORATE_TASK, keysOf: keyOfClusterRef },
      { resource: QUORATE_BACKUP, keysOf: keyOfClusterRef },
      ...OWNED.map(labelled),
    ],
    build: ({ api, config, logger, recorder, gauges, time, version }) => {
      const admins = new MemberAdmins();
      const reconciler: ClusterReconciler = {
        kube: api,
        admins,
        restores,
        recorder,
        gauges,
        defaults: {
          version,
          repository: config.repository,
          layoutRevision: NEWEST_LAYOUT,
          clusterDomain: config.clusterDomain,
        },
        now: () => time.wall(),
        entropy: () => randomUUID(),
        onAction: ({ namespace, name }, action) => {
          if (action.kind === "settled" || action.kind === "wait") return;
          logger.info({ cluster: `${namespace}/${name}`, ...describeAction(action) }, "a step");
        },
      };
      return {
        reconcile: async (ref) => ({ afterMs: await reconcileCluster(reconciler, ref) }),
        close: async () => {
          admins.close();
          await Promise.resolve();
        },
      };
    },
  };
}

/** For the log: what is done, and to whom; never what a Secret holds. */
export function describeAction(action: Action): Record<string, unknown> {
  switch (action.kind) {
    case "journal": {
      const { operation, revision } = action.document;
      const step = operation === null ? {} : { operation: operation.type, step: operation.step };
      return { action: action.kind, revision, ...step };
    }
    case "apply":
      return {
        action: action.kind,
        objects: action.objects.map(({ object }) => `${object.kind}/${object.metadata.name}`),
      };
    case "issue":
      return { action: action.kind, secret: action.leaf.secret };
    case "notePasswords":
      // How many: a log is read by more people than a Secret.
      return { action: action.kind, passwords: action.passwords.length };
    case "compact":
    case "defragment":
    case "secureRoot": {
      const { afterwards: _afterwards, kind, ...rest } = action;
      return { action: kind, ...rest };
    }
    default: {
      const { kind, ...rest } = action;
      return { action: kind, ...rest };
    }
  }
}
