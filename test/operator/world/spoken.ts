/** With TLS, without, or both: what a member was started with, read from its command line as the member itself reads it. */
import type { Pod } from "../../../operator/cluster/objects.ts";

type Scheme = "http" | "https";

export interface Spoken {
  /** Of its peer URL, where it is new to the cluster. */
  readonly advertises: Scheme;
  /** What its listeners serve. */
  readonly clients: ReadonlySet<Scheme>;
  readonly peers: ReadonlySet<Scheme>;
  /** To show to peers: without them it dials none that has TLS. */
  readonly hasCertificates: boolean;
}

export function spokenBy(pod: Pod): Spoken {
  const { spec } = pod as { spec?: { containers?: readonly { args?: readonly string[] }[] } };
  const args = spec?.containers?.[0]?.args ?? [];
  const valueOf = (flag: string): string =>
    args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3) ?? "";
  const schemeOf = (flag: string): Scheme =>
    valueOf(flag).startsWith("https:") ? "https" : "http";
  const listens = (side: "client" | "peer"): ReadonlySet<Scheme> => {
    const scheme = schemeOf(`listen-${side}-urls`);
    const isOpen = scheme === "http" || valueOf(`${side}-allow-plaintext`) === "true";
    return new Set<Scheme>([scheme, ...(isOpen ? (["http"] as const) : [])]);
  };
  return {
    advertises: schemeOf("initial-advertise-peer-urls"),
    clients: listens("client"),
    peers: listens("peer"),
    hasCertificates: valueOf("peer-cert-file") !== "",
  };
}

/** By which a member is known that is new to the cluster. */
export function urlOf({ advertises }: Spoken, cluster: string, { metadata }: Pod): string {
  const { name, namespace = "" } = metadata;
  return `${advertises}://${name}.${cluster}-peers.${namespace}.svc.cluster.local:2380`;
}

export function schemeOfUrl(url: string): Scheme {
  return url.startsWith("https:") ? "https" : "http";
}

export function isAt(url: string, pod: string): boolean {
  return url.replace(/^https?:\/\//, "").startsWith(`${pod}.`);
}
