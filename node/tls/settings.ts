/** What the flags of TLS say, checked against each other. The files that they name are read in `material.ts`. */
import { isSecure, refuse, toPlainUrl, type Reader } from "../reader.ts";
import { readProtocol, type Protocol } from "./ciphers.ts";

/** Where a file's name came from: refusals about the file name the flag as well. */
export interface NamedFile {
  readonly flag: string;
  readonly path: string;
}

export interface NamedPair {
  readonly certificate: NamedFile;
  readonly key: NamedFile;
}

/** TLS of one side: towards clients, or towards the other members. */
export interface TlsSettings {
  readonly side: "client" | "peer";
  /** What listeners show; null: no TLS on this side, unless it makes a certificate itself. */
  readonly pair: NamedPair | null;
  /** What outgoing connections show; null: the same. */
  readonly clientPair: NamedPair | null;
  readonly trusted: NamedFile | null;
  readonly revocations: NamedFile | null;
  /** Whoever connects must show a certificate that the trusted authorities vouch for. */
  readonly clientsMustProve: boolean;
  /** Any of them; empty: every name will do. Not both. */
  readonly allowedNames: readonly string[];
  readonly allowedHosts: readonly string[];
  /** Whether who connects must come from an address that its certificate names. */
  readonly checkAddress: boolean;
  /** The member makes its own certificate for these hosts; null: it does not. */
  readonly selfSigned: { readonly hosts: readonly string[]; readonly years: number } | null;
  /** Listeners with TLS also serve who comes without, for the time in which a cluster moves. */
  readonly plaintextToo: boolean;
  readonly protocol: Protocol;
}

/** URLs by the flag that gave them. */
export type UrlsByFlag = Readonly<Record<string, readonly URL[]>>;

/** Reads one side; `urls` are those it listens on. Throws QuorateError "configuration" for what contradicts itself. */
export function readTlsSettings(
  read: Reader,
  side: "client" | "peer",
  urls: UrlsByFlag,
  warnings: string[],
): TlsSettings {
  const prefix = side === "peer" ? "peer-" : "";
  const pair = readPair(read, `${prefix}cert-file`, `${prefix}key-file`);
  const clientPair = readPair(read, `${prefix}client-cert-file`, `${prefix}client-key-file`);
  if (clientPair !== null && pair === null && side === "client")
    refuse(`--client-cert-file needs --cert-file and --key-file: add them`);
  const auto = read.flag(`${prefix}auto-tls`);
  if (auto && pair !== null)
    warnings.push(`--${prefix}auto-tls is ignored: --${prefix}cert-file is given`);
  const settings: TlsSettings = {
    side,
    pair,
    clientPair,
    trusted: readFile(read, `${prefix}trusted-ca-file`),
    revocations: readFile(read, `${side}-crl-file`),
    clientsMustProve:
      read.flag(`${prefix}client-cert-auth`) || read.text(`${prefix}trusted-ca-file`) !== "",
    allowedNames: read.list(`${side}-cert-allowed-cn`),
    allowedHosts: read.list(`${side}-cert-allowed-hostname`),
    checkAddress: side === "peer" && !read.flag("peer-skip-client-san-verification"),
    selfSigned:
      auto && pair === null
        ? {
            hosts: Object.values(urls).flatMap((of) => of.map((url) => url.hostname)),
            years: read.atLeast("self-signed-cert-validity", 1),
          }
        : null,
    plaintextToo: read.flag(`${side}-allow-plaintext`),
    protocol: readProtocol(read, side === "client" ? warnings : []),
  };
  refuseContradictions(read, settings, urls);
  warn(read, settings, urls, warnings);
  return settings;
}

function readFile(read: Reader, flag: string): NamedFile | null {
  const path = read.text(flag);
  return path === "" ? null : { flag, path };
}

function readPair(read: Reader, certificateFlag: string, keyFlag: string): NamedPair | null {
  const certificate = readFile(read, certificateFlag);
  const key = readFile(read, keyFlag);
  if (certificate !== null && key !== null) return { certificate, key };
  if (certificate !== null) refuse(`--${certificateFlag} needs --${keyFlag}: add it`);
  if (key !== null) refuse(`--${keyFlag} needs --${certificateFlag}: add it`);
  return null;
}

function refuseContradictions(read: Reader, settings: TlsSettings, urls: UrlsByFlag): void {
  const { side, pair, selfSigned, clientsMustProve } = settings;
  const prefix = side === "peer" ? "peer-" : "";
  const all = Object.values(urls).flat();
  for (const [flag, of] of Object.entries(urls)) {
    const secure = of.find(isSecure);
    if (secure !== undefined && pair === null && selfSigned === null) {
      refuse(
        `--${flag}: ${toPlainUrl(secure)} needs --${prefix}cert-file and --${prefix}key-file: add them, or --${prefix}auto-tls`,
      );
    }
  }
  if (read.flag(`${prefix}client-cert-auth`) && !all.some(isSecure)) {
    refuse(
      `--${prefix}client-cert-auth asks for certificates, but no URL of --${Object.keys(urls)[0]} has TLS: write https://`,
    );
  }
  if (settings.plaintextToo && !all.some(isSecure)) {
    refuse(
      `--${side}-allow-plaintext is for URLs with TLS, but no URL of --${Object.keys(urls)[0]} has it: write https://, or remove the flag`,
    );
  }
  if (settings.allowedNames.length > 0 && settings.allowedHosts.length > 0)
    refuse(
      `--${side}-cert-allowed-cn and --${side}-cert-allowed-hostname exclude each other: remove one`,
    );
  for (const flag of [
    `${side}-crl-file`,
    `${side}-cert-allowed-cn`,
    `${side}-cert-allowed-hostname`,
  ]) {
    if (read.text(flag) !== "" && !clientsMustProve)
      refuse(
        `--${flag} judges certificates that nobody has to show: add --${prefix}trusted-ca-file`,
      );
  }
  if (clientsMustProve && selfSigned !== null) {
    refuse(
      `--${prefix}auto-tls trusts nobody's certificate: remove it, or --${prefix}client-cert-auth and --${prefix}trusted-ca-file`,
    );
  }
}

function warn(read: Reader, settings: TlsSettings, urls: UrlsByFlag, warnings: string[]): void {
  const prefix = settings.side === "peer" ? "peer-" : "";
  const plain = Object.values(urls)
    .flat()
    .filter((url) => !isSecure(url));
  if (settings.pair !== null && plain.length > 0) {
    warnings.push(
      `${plain.map(toPlainUrl).join(", ")}: served without TLS, although --${prefix}cert-file is given`,
    );
  }
  if (settings.plaintextToo) {
    const secure = Object.values(urls).flat().filter(isSecure).map(toPlainUrl);
    const unproven = settings.clientsMustProve ? ", where nobody is asked for a certificate" : "";
    warnings.push(
      `--${settings.side}-allow-plaintext: ${secure.join(", ")} served without TLS as well${unproven}`,
    );
  }
  if (read.flag(`${prefix}client-cert-auth`) && settings.trusted === null) {
    warnings.push(
      `--${prefix}client-cert-auth without --${prefix}trusted-ca-file trusts every public authority`,
    );
  }
}
