/** The command line of a member: from the spec and what is latched, alike for every member. Pure. */
import type { DefaultedClusterSpec } from "../../api/gen/types.ts";
import { quotaBackendBytes } from "../../api/apply-defaults.ts";
import { durationMs } from "../../api/duration.ts";
import type { Latched } from "../journal.ts";
import { CLIENT_PORT, type ClusterKey, PEER_PORT, PROBE_PORT, podHost } from "../names.ts";
import {
  ACCEPT_CLIENTS,
  ACCEPT_PEERS,
  type Transport,
  advertisedBy,
  hasCertificates,
  servesClients,
  servesPeers,
} from "../transport.ts";
import { BOOT_DIR, MEMBER_DIR, PEER_TLS_DIR, SERVER_TLS_DIR } from "./layout.ts";

export function buildArguments(
  key: ClusterKey,
  spec: DefaultedClusterSpec,
  latched: Latched,
): string[] {
  const { transport } = latched;
  const listens = hasCertificates(transport) ? "https" : "http";
  const scheme = advertisedBy(transport);
  const host = podHost(key, "$(POD_NAME)", latched.clusterDomain);
  const { server } = spec;
  return [
    `--boot-dir=${BOOT_DIR}`,
    "--name=$(POD_NAME)",
    `--data-dir=${MEMBER_DIR}`,
    `--listen-client-urls=${listens}://0.0.0.0:${CLIENT_PORT}`,
    `--advertise-client-urls=${scheme}://${host}:${CLIENT_PORT}`,
    `--listen-peer-urls=${listens}://0.0.0.0:${PEER_PORT}`,
    `--initial-advertise-peer-urls=${scheme}://${host}:${PEER_PORT}`,
    `--listen-metrics-urls=http://0.0.0.0:${PROBE_PORT}`,
    ...(hasCertificates(transport) ? tlsArguments(spec, transport) : []),
    `--quota-backend-bytes=${quotaBackendBytes(spec)}`,
    `--auto-compaction-mode=${server.autoCompaction.mode.toLowerCase()}`,
    `--auto-compaction-retention=${server.autoCompaction.retention}`,
    `--heartbeat-interval=${durationMs(server.heartbeatInterval)}`,
    `--election-timeout=${durationMs(server.electionTimeout)}`,
    ...Object.entries(server.extraArgs ?? {})
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `--${name}=${value}`),
  ];
}

function tlsArguments({ tls }: DefaultedClusterSpec, transport: Transport): string[] {
  const mutual = tls?.client.mode !== "Server";
  return [
    `--cert-file=${SERVER_TLS_DIR}/tls.crt`,
    `--key-file=${SERVER_TLS_DIR}/tls.key`,
    ...(mutual ? [`--trusted-ca-file=${SERVER_TLS_DIR}/ca.crt`, "--client-cert-auth=true"] : []),
    `--peer-cert-file=${PEER_TLS_DIR}/tls.crt`,
    `--peer-key-file=${PEER_TLS_DIR}/tls.key`,
    `--peer-trusted-ca-file=${PEER_TLS_DIR}/ca.crt`,
    "--peer-client-cert-auth=true",
    // Who a peer is, its authority says. Its address is a pod's, which no name leads back to before it is ready.
    "--peer-skip-client-san-verification=true",
    ...(servesClients(transport, "http") ? [ACCEPT_CLIENTS] : []),
    ...(servesPeers(transport, "http") ? [ACCEPT_PEERS] : []),
  ];
}
