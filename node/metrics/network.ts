/** etcd_network_…: links to peers and the states that go over them. Names, labels and buckets are etcd's. */
import type { MemberId } from "../../src/raft/types.ts";
import {
  exposeHistograms,
  exposeLabelled,
  type Exposition,
  type Labels,
  type Sample,
} from "../exposition.ts";
import type { Member } from "../member.ts";
import type { Link } from "../peer/link.ts";
import type { ReceivedBytes } from "../peer/server.ts";
import type { TransferStats, Transfers } from "./transfer-stats.ts";

export interface NetworkParts {
  readonly member: Member;
  readonly received: ReceivedBytes;
}

const hex = (id: MemberId): string => id.toString(16);

export function exposeNetwork(exposition: Exposition, { member, received }: NetworkParts): void {
  const ofLinks = (
    type: "gauge" | "counter",
    name: string,
    help: string,
    labels: (peer: MemberId) => Labels,
    read: (link: Link) => number,
  ): void =>
    exposeLabelled(exposition, type, `etcd_network_${name}`, help, () =>
      member.links.all().map((link): Sample => [labels(link.peer), read(link)]),
    );
  const to = (peer: MemberId): Labels => ({ To: hex(peer) });
  const between = (peer: MemberId): Labels => ({
    Local: hex(member.identity.memberId),
    Remote: hex(peer),
  });
  ofLinks(
    "gauge",
    "active_peers",
    "The current number of active peer connections.",
    between,
    (link) => (link.isActive ? 1 : 0),
  );
  ofLinks(
    "counter",
    "disconnected_peers_total",
    "The total number of disconnected peers.",
    between,
    (link) => link.disconnects,
  );
  ofLinks("gauge", "known_peers", "The current number of known peers.", between, () => 1);
  ofLinks(
    "counter",
    "peer_sent_bytes_total",
    "The total number of bytes sent to peers.",
    to,
    (link) => link.bytesSent,
  );
  ofLinks(
    "counter",
    "peer_sent_failures_total",
    "The total number of send failures from peers.",
    to,
    (link) => link.failures,
  );
  exposeLabelled(
    exposition,
    "counter",
    "etcd_network_peer_received_bytes_total",
    "The total number of bytes received from peers.",
    () => Array.from(received, ([from, bytes]): Sample => [{ From: hex(from) }, bytes]),
  );
  exposeHistograms(
    exposition,
    "etcd_network_peer_round_trip_time_seconds",
    "Round-Trip-Time histogram between peers",
    () => member.links.all().map((link) => [to(link.peer), link.roundTrips] as const),
  );
  exposeTransfers(exposition, "send", "To", member.stats.sent);
  exposeTransfers(exposition, "receive", "From", member.stats.received);
}

function exposeTransfers(
  exposition: Exposition,
  verb: "send" | "receive",
  label: "To" | "From",
  stats: TransferStats,
): void {
  const each = (
    type: "gauge" | "counter",
    name: string,
    help: string,
    read: (transfers: Transfers) => number,
  ): void =>
    exposeLabelled(exposition, type, `etcd_network_snapshot_${verb}_${name}`, help, () =>
      Array.from(stats.byPeer, ([peer, of]): Sample => [{ [label]: hex(peer) }, read(of)]),
    );
  const noun = verb === "send" ? "sends" : "receives";
  each(
    "counter",
    "success",
    `Total number of successful snapshot ${noun}`,
    ({ succeeded }) => succeeded,
  );
  each("counter", "failures", `Total number of snapshot ${verb} failures`, ({ failed }) => failed);
  each(
    "gauge",
    "inflights_total",
    `Total number of inflight snapshot ${noun}`,
    ({ inFlight }) => inFlight,
  );
  exposeHistograms(
    exposition,
    `etcd_network_snapshot_${verb}_total_duration_seconds`,
    `Total latency distributions of v3 snapshot ${noun}`,
    () => Array.from(stats.byPeer, ([peer, { seconds }]) => [{ [label]: hex(peer) }, seconds]),
  );
}
