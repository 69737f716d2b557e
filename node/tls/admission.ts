/** Who may come in after a handshake, and whom outgoing connections may have met: the checks that OpenSSL does not make. */
import { X509Certificate } from "node:crypto";
import { lookup, reverse } from "node:dns/promises";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";
import { isIP } from "node:net";
import { toSerial } from "../../src/x509/revocation.ts";
import type { TlsSettings } from "./settings.ts";

/** Only names that the certificate was issued for: no common name, and a star stands for one label (RFC 6125). */
const HOST_RULES = {
  subject: "never",
  wildcards: true,
  partialWildcards: false,
  multiLabelWildcards: false,
} as const;

/** A chain longer than this is none. */
const CHAIN_MAX = 16;

/** Whether the certificate was issued for this host name or address. */
export function isFor(certificate: X509Certificate, host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  const found =
    isIP(bare) === 0 ? certificate.checkHost(bare, HOST_RULES) : certificate.checkIP(bare);
  return found !== undefined;
}

/** Null, or why the other end's chain is refused. Empty certificates (nobody was asked for one) are no fault. */
export function chainRefusal(
  settings: TlsSettings,
  revoked: ReadonlySet<string>,
  leaf: PeerCertificate,
): string | null {
  if (!("raw" in leaf) || leaf.raw === undefined) return null;
  const { allowedNames, allowedHosts } = settings;
  const names: unknown = leaf.subject.CN;
  const name: unknown = Array.isArray(names) ? names.at(-1) : names;
  if (allowedNames.length > 0 && !allowedNames.includes(typeof name === "string" ? name : ""))
    return "its certificate has no allowed common name";
  if (allowedHosts.length > 0) {
    const certificate = new X509Certificate(leaf.raw);
    if (!allowedHosts.some((host) => isFor(certificate, host)))
      return "its certificate is for no allowed host name";
  }
  const serial = revoked.size === 0 ? null : revokedOf(leaf, revoked);
  return serial === null ? null : `its certificate with serial ${serial} is revoked`;
}

/** The first revoked serial of a chain. As with etcd, whoever issued the list speaks for the whole chain. */
function revokedOf(leaf: PeerCertificate, revoked: ReadonlySet<string>): string | null {
  let at: DetailedPeerCertificate | undefined = leaf as DetailedPeerCertificate;
  for (let depth = 0; at !== undefined && depth < CHAIN_MAX; depth++) {
    const serial = toSerial(at.serialNumber);
    if (revoked.has(serial)) return serial;
    // A root is its own issuer.
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate;
  }
  return null;
}

/** As a listener judges a client: null takes it. */
export function judgeClient(
  settings: TlsSettings,
  revoked: ReadonlySet<string>,
  socket: TLSSocket,
): string | null | Promise<string | null> {
  const leaf = socket.getPeerCertificate(true);
  const refusal = chainRefusal(settings, revoked, leaf);
  if (refusal !== null || !settings.checkAddress || leaf.raw === undefined) return refusal;
  return addressRefusal(new X509Certificate(leaf.raw), socket.remoteAddress ?? "");
}

/**
 * etcd's check of a connecting peer: a certificate that names hosts or addresses must name the one that the connection comes
 * from, directly or by what DNS says of it. One without names may come from anywhere.
 */
async function addressRefusal(
  certificate: X509Certificate,
  address: string,
): Promise<string | null> {
  const names = alternativeNames(certificate);
  if (names.hosts.length === 0 && names.addresses === 0) return null;
  const bare = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (certificate.checkIP(bare) !== undefined) return null;
  if (names.hosts.length > 0 && (await comesFrom(bare, names.hosts))) return null;
  return `its certificate does not name the address ${bare} that it comes from`;
}

function alternativeNames(certificate: X509Certificate): { hosts: string[]; addresses: number } {
  const parts = (certificate.subjectAltName ?? "").split(", ");
  return {
    hosts: parts.filter((part) => part.startsWith("DNS:")).map((part) => part.slice(4)),
    addresses: parts.filter((part) => part.startsWith("IP Address:")).length,
  };
}

async function comesFrom(address: string, hosts: readonly string[]): Promise<boolean> {
  const endings = hosts.filter((host) => host.startsWith("*.")).map((host) => host.slice(1));
  const exact = hosts.filter((host) => !host.startsWith("*."));
  const known = await reverse(address).catch((): string[] => []);
  for (const name of known) {
    if (exact.includes(name) || endings.some((ending) => name.endsWith(ending))) return true;
  }
  for (const host of exact) {
    const found = await lookup(host, { all: true }).catch(() => []);
    if (found.some((each) => each.address === address)) return true;
  }
  return false;
}
