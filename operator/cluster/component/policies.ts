/** Who may take members away, who may reach them, and as whom they run. Pure. */
import { NETWORK_POLICY, POD_DISRUPTION_BUDGET, SERVICE_ACCOUNT } from "../../api/resources.ts";
import type { QuorateCluster } from "../../api/gen/types.ts";
import type { AppliedObject } from "../action.ts";
import { CLIENT_PORT, PEER_PORT, PROBE_PORT, ROLE_LABEL, selectorOf } from "../names.ts";
import { quorumOf } from "../view.ts";
import { owned } from "./owned.ts";

export function buildServiceAccount(cluster: QuorateCluster): AppliedObject {
  return owned(cluster, SERVICE_ACCOUNT, cluster.metadata.name, {
    automountServiceAccountToken: false,
  });
}

/**
 * A number, not a share: it stays what it is while members vanish. Counted in voters, those that there are or shall be. Null for
 * a single member: a budget would keep its node from being drained for ever.
 */
export function buildBudget(
  cluster: QuorateCluster,
  voters: number,
  wanted: number,
): AppliedObject | null {
  const members = Math.max(voters, wanted);
  if (members < 2) return null;
  const { name } = cluster.metadata;
  return owned(cluster, POD_DISRUPTION_BUDGET, name, {
    spec: {
      minAvailable: quorumOf(members),
      selector: { matchLabels: { ...selectorOf(name), [ROLE_LABEL]: "voter" } },
    },
  });
}

/** Clients and whoever gathers metrics come from anywhere; what members say to each other is theirs. */
export function buildNetworkPolicy(cluster: QuorateCluster): AppliedObject {
  const { name } = cluster.metadata;
  const selector = { matchLabels: selectorOf(name) };
  return owned(cluster, NETWORK_POLICY, name, {
    spec: {
      podSelector: selector,
      policyTypes: ["Ingress"],
      ingress: [
        { ports: [CLIENT_PORT, PROBE_PORT].map((port) => ({ port, protocol: "TCP" })) },
        { from: [{ podSelector: selector }], ports: [{ port: PEER_PORT, protocol: "TCP" }] },
      ],
    },
  });
}
