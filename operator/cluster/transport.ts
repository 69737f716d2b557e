/**
 * With TLS, without, or both: what a member listens with, what it dials, and in which steps a cluster that serves goes from one
 * to the other. What a member that runs does is read from its pod, since that is what it was started with. Pure.
 */
import { withoutScheme } from "../../src/base/urls.ts";

export type Scheme = "http" | "https";

/** What the members' template says, and so what whoever restarts becomes. The journal holds these words. */
export type Transport =
  /** Neither clients nor peers have TLS. */
  | "Plaintext"
  /** Both sides take both; known by http, as before TLS. */
  | "MixedHttp"
  /** Both sides take both; known by https, as with TLS. */
  | "MixedHttps"
  /** Peers have TLS; clients may come without. */
  | "PlaintextAccepted"
  /** TLS alone. */
  | "Tls";

interface Manners {
  /** Of the URLs that it advertises, to clients and, when it is new, to peers. */
  readonly advertises: Scheme;
  readonly clients: Readonly<Record<Scheme, boolean>>;
  readonly peers: Readonly<Record<Scheme, boolean>>;
}

const BOTH = { http: true, https: true };
const PLAIN_ALONE = { http: true, https: false };
const TLS_ALONE = { http: false, https: true };

const MANNERS: Readonly<Record<Transport, Manners>> = {
  Plaintext: { advertises: "http", clients: PLAIN_ALONE, peers: PLAIN_ALONE },
  MixedHttp: { advertises: "http", clients: BOTH, peers: BOTH },
  MixedHttps: { advertises: "https", clients: BOTH, peers: BOTH },
  PlaintextAccepted: { advertises: "https", clients: BOTH, peers: TLS_ALONE },
  Tls: { advertises: "https", clients: TLS_ALONE, peers: TLS_ALONE },
};

export function advertisedBy(transport: Transport): Scheme {
  return MANNERS[transport].advertises;
}

export function servesClients(transport: Transport, scheme: Scheme): boolean {
  return MANNERS[transport].clients[scheme];
}

export function servesPeers(transport: Transport, scheme: Scheme): boolean {
  return MANNERS[transport].peers[scheme];
}

/** Who has a certificate to show dials either; who has none cannot dial TLS, which is mutual between members. */
export function dialsPeers(transport: Transport, scheme: Scheme): boolean {
  return scheme === "http" || hasCertificates(transport);
}

export function hasCertificates(transport: Transport): boolean {
  return servesClients(transport, "https");
}

export function isMixed(transport: Transport): boolean {
  return transport === "MixedHttp" || transport === "MixedHttps";
}

/** What the spec asks for in the end. */
export function wantedTransport(spec: {
  readonly unsafe: { readonly plaintext: boolean; readonly acceptPlaintext: boolean };
}): Transport {
  if (spec.unsafe.plaintext) return "Plaintext";
  return spec.unsafe.acceptPlaintext ? "PlaintextAccepted" : "Tls";
}

/** The flags of a member that say so, beside its certificates. */
export const ACCEPT_CLIENTS = "--client-allow-plaintext=true";
export const ACCEPT_PEERS = "--peer-allow-plaintext=true";

/** What a member with this command line does; null where it says nothing of it. */
export function transportOfArguments(args: readonly string[]): Transport | null {
  const schemeOf = (flag: string): string | undefined =>
    args.find((arg) => arg.startsWith(`--${flag}=`))?.match(/=(https?):/)?.[1];
  const listens = schemeOf("listen-peer-urls");
  if (listens === undefined) return null;
  if (listens === "http") return "Plaintext";
  if (args.includes(ACCEPT_PEERS))
    return schemeOf("advertise-client-urls") === "http" ? "MixedHttp" : "MixedHttps";
  return args.includes(ACCEPT_CLIENTS) ? "PlaintextAccepted" : "Tls";
}

/** Of a pod or a template: what its member was, or will be, started with. */
export function transportOf(pod: object | undefined, container: string): Transport | null {
  const { spec } = (pod ?? {}) as {
    spec?: { containers?: readonly { name: string; args?: readonly string[] }[] };
  };
  const args = spec?.containers?.find(({ name }) => name === container)?.args;
  return args === undefined ? null : transportOfArguments(args);
}

/** One place of a cluster. */
export interface Occupant {
  readonly name: string;
  /** Of what runs there; null: nothing does, and what comes is of the template. */
  readonly runs: Transport | null;
  /** By which its peers know its member; null: it is none. */
  readonly url: Scheme | null;
}

/**
 * Whether the template may become `next`. From then on whoever restarts, at any time and for whatever reason, is of it: it has to
 * be reached at the URL that it has by all that run and by all that restart, has to reach them, and who joins meanwhile too.
 */
export function maySwitch(next: Transport, occupants: readonly Occupant[]): boolean {
  const urls = occupants.flatMap(({ url }) => url ?? []);
  const running = occupants.flatMap(({ runs }) => runs ?? []);
  return (
    urls.every((url) => servesPeers(next, url) && dialsPeers(next, url)) &&
    running.every((one) => dialsPeers(one, advertisedBy(next)))
  );
}

/** Whether the member there may be known by a URL of this scheme: it, and what it may become, listens; all others dial. */
export function mayMove(
  occupant: Occupant,
  scheme: Scheme,
  current: Transport,
  occupants: readonly Occupant[],
): boolean {
  const own = occupant.runs ?? current;
  const running = occupants.flatMap(({ runs }) => runs ?? []);
  return (
    [own, current].every((one) => servesPeers(one, scheme)) &&
    [...running, current].every((one) => dialsPeers(one, scheme))
  );
}

export type Turn =
  /** It is as it shall be, but for pods that are rolled. */
  | { readonly kind: "none" }
  /** The template becomes this, and pods follow. */
  | { readonly kind: "switch"; readonly to: Transport }
  /** Members shall be known by URLs of this scheme, one after another. */
  | { readonly kind: "move"; readonly scheme: Scheme }
  /** Pods have to be as the template is, first. */
  | { readonly kind: "roll" };

/** The next step of a cluster whose template is `current` on its way to `wanted`: with as few rolls as are safe. */
export function nextTransportTurn(
  current: Transport,
  wanted: Transport,
  occupants: readonly Occupant[],
): Turn {
  if (current !== wanted && maySwitch(wanted, occupants)) return { kind: "switch", to: wanted };
  if (current !== wanted && !isMixed(current)) {
    const to = advertisedBy(current) === "http" ? "MixedHttp" : "MixedHttps";
    return maySwitch(to, occupants) ? { kind: "switch", to } : { kind: "roll" };
  }
  const scheme = advertisedBy(wanted);
  const others = occupants.filter(({ url }) => url !== null && url !== scheme);
  if (others.length === 0) return current === wanted ? { kind: "none" } : { kind: "roll" };
  return others.every((other) => mayMove(other, scheme, current, occupants))
    ? { kind: "move", scheme }
    : { kind: "roll" };
}

/** By which a client that cannot look again reaches a member now, and once it has restarted. */
export function clientScheme(runs: Transport | null, current: Transport): Scheme {
  const own = runs ?? current;
  const isFor = (scheme: Scheme): boolean =>
    servesClients(own, scheme) && servesClients(current, scheme);
  if (isFor("https")) return "https";
  return isFor("http") ? "http" : hasCertificates(own) ? "https" : "http";
}

/** By which clients reach every member, those that restart too: what is wanted, as soon as all of them serve it. */
export function commonScheme(
  wanted: Transport,
  current: Transport,
  running: readonly Transport[],
): Scheme {
  const all = [...running, current];
  const liked = advertisedBy(wanted);
  if (all.every((one) => servesClients(one, liked))) return liked;
  return liked === "http" ? "https" : "http";
}

export function schemeOf(url: string): Scheme {
  return url.startsWith("https:") ? "https" : "http";
}

/** Whether two URLs lead to the same listener, with TLS or without. */
export function isSameAddress(one: string, other: string): boolean {
  return withoutScheme(one) === withoutScheme(other);
}
