/** How members are found: by their peers under names of their own, by clients under one name. Pure. */
import { SERVICE } from "../../api/resources.ts";
import type { DefaultedClusterSpec, QuorateCluster } from "../../api/gen/types.ts";
import type { AppliedObject } from "../action.ts";
import { CLIENT_PORT, PEER_PORT, PROBE_PORT, clusterNames, selectorOf } from "../names.ts";
import { owned } from "./owned.ts";

function port(name: string, number: number): object {
  return { name, port: number, targetPort: name, protocol: "TCP" };
}

/** Names exist before pods are ready: members find each other while they start. */
export function buildPeerService(cluster: QuorateCluster): AppliedObject {
  const { name } = cluster.metadata;
  return owned(cluster, SERVICE, clusterNames(name).peerService, {
    spec: {
      type: "ClusterIP",
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: selectorOf(name),
      ports: [port("client", CLIENT_PORT), port("peer", PEER_PORT), port("probe", PROBE_PORT)],
    },
  });
}

export function buildClientService(
  cluster: QuorateCluster,
  { clientService }: DefaultedClusterSpec,
): AppliedObject {
  const { name } = cluster.metadata;
  const { type, annotations, trafficDistribution } = clientService;
  return owned(
    cluster,
    SERVICE,
    clusterNames(name).clientService,
    {
      spec: {
        type,
        selector: selectorOf(name),
        ports: [port("client", CLIENT_PORT)],
        ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
      },
    },
    annotations === undefined ? {} : { annotations },
  );
}
