/** Which Secrets the members of a cluster mount. Pure. */
import type { Latched } from "../journal.ts";
import { clusterNames } from "../names.ts";
import { hasCertificates } from "../transport.ts";

/** Null without TLS. They are always the operator's own: bundles in them hold its authority beside a given one. */
export function secretsOf(
  cluster: string,
  { transport }: Latched,
): { readonly server: string; readonly peer: string } | null {
  if (!hasCertificates(transport)) return null;
  const { serverTls, peerTls } = clusterNames(cluster);
  return { server: serverTls, peer: peerTls };
}
