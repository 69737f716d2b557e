/** Versions told to the world. */

import { QUORATE_VERSION } from "../src/base/version.ts";

export { QUORATE_VERSION };
/** The level of etcd that is served: clients and kube-apiserver choose features by it. */
export const ETCD_VERSION = "3.6.8";
/** What `Status.storageVersion` and the cluster version say. */
export const CLUSTER_VERSION = "3.6.0";

/** What --version and the command `version` print. */
export function versionText(): string {
  return `quorate ${QUORATE_VERSION}\netcd API ${ETCD_VERSION}, cluster ${CLUSTER_VERSION}\nnode ${process.version}\n`;
}
