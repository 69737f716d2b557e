/** Which Secrets the members of a cluster mount. Pure. */
import type { Latched } from "../journal.ts";
import { clusterNames } from "../names.ts";

/** Null without TLS. They are always the operator's own: bundles in them hold its authority beside a given one. */
export function secretsOf(
  cluster: string,
  { plaintext }: Latched,
): { readonly server: string; readonly peer: string } | null {
  if (plaintext) return null;
  const { serverTls, peerTls } = clusterNames(cluster);
  return { server: serverTls, peer: peerTls };
}
