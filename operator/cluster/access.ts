/** How the operator reaches the members of a cluster: as they run now. Pure. */
import type { AdminAccess, MemberAddress } from "../admin.ts";
import type { QuorateCluster } from "../api/gen/types.ts";
import { specOf } from "./adoption.ts";
import { textOf } from "./certificates.ts";
import type { StoredJournal } from "./facts.ts";
import { CLIENT_PORT, CONTAINER, PROBE_PORT, clusterNames } from "./names.ts";
import type { Pod, Secret, StatefulSet } from "./objects.ts";
import { rootPasswords } from "./operation/auth.ts";
import {
  type Scheme,
  type Transport,
  hasCertificates,
  transportOf,
  wantedTransport,
} from "./transport.ts";

/** Pods are reached by their addresses: names lag behind. The certificate is checked against a name that all of them have. */
export function accessOf(
  cluster: QuorateCluster,
  journal: StoredJournal | null,
  statefulSet: StatefulSet | null,
  pods: ReadonlyMap<string, Pod>,
  secrets: ReadonlyMap<string, Secret>,
): AdminAccess {
  const { name, namespace = "" } = cluster.metadata;
  const called = clusterNames(name);
  const members: MemberAddress[] = [];
  const schemes = new Set<Scheme>();
  const template = templateOf(cluster, journal, statefulSet);
  for (const [pod, object] of pods) {
    const ip = object.status?.podIP;
    if (ip === undefined || ip === "") continue;
    const host = ip.includes(":") ? `[${ip}]` : ip;
    // Asked anew in each pass, and with TLS for as long as there is any: without it no certificate says who asks.
    const runs = transportOf(object, CONTAINER) ?? template;
    const scheme = hasCertificates(runs) ? "https" : "http";
    schemes.add(scheme);
    members.push({
      name: pod,
      client: `${scheme}://${host}:${CLIENT_PORT}`,
      probe: `http://${host}:${PROBE_PORT}`,
    });
  }
  const own = secrets.get(called.operatorTls);
  const [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map((entry) => textOf(own, entry));
  const tls =
    !schemes.has("https") || ca == null || cert == null || key == null
      ? null
      : { ca, cert, key, serverName: `${called.clientService}.${namespace}.svc` };
  const spec = journal?.document.adopted.spec;
  // A certificate that names root is enough, and does not change with the password.
  const isNamed = tls !== null && !schemes.has("http") && spec?.tls?.client.mode !== "Server";
  return { members, tls, rootPasswords: isNamed ? [] : rootPasswords(secrets, name, spec) };
}

/** What the members' template says now; where there is none, what is asked for. */
function templateOf(
  cluster: QuorateCluster,
  journal: StoredJournal | null,
  statefulSet: StatefulSet | null,
): Transport {
  return (
    journal?.document.latched.transport ??
    transportOf(statefulSet?.spec.template, CONTAINER) ??
    wantedTransport(specOf(cluster))
  );
}
