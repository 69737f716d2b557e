/** What the files of one side hold, read and judged: certificates, keys, authorities, revocations. */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { TlsInUse } from "../../src/api/boot.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { readRevocationList } from "../../src/x509/revocation.ts";
import type { NamedFile, NamedPair, TlsSettings } from "./settings.ts";

/** A certificate in use, for the log and the metric of expiry. */
export interface Held {
  /** The name of its flag, without dashes before it: `cert-file`, `peer-trusted-ca-file`. */
  readonly use: string;
  readonly path: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Material {
  /** For listeners. */
  readonly server: SecureContextOptions | null;
  /** For outgoing connections of the peer side; null for what any process has: no certificate, public authorities. */
  readonly client: SecureContext | null;
  /** Serials as `toSerial` writes them. */
  readonly revoked: ReadonlySet<string>;
  readonly held: readonly Held[];
  /** What listeners show and trust, by fingerprints; null: they show nothing. */
  readonly inUse: TlsInUse | null;
  /** What is odd and not wrong. */
  readonly warnings: readonly string[];
}

/** The files' bytes by path, read at one time. */
export type FileSet = ReadonlyMap<string, Buffer>;

/** A list of a busy authority is the largest. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** All files of these settings. */
export function filesOf(settings: TlsSettings): NamedFile[] {
  const pairs = [settings.pair, settings.clientPair].filter((pair) => pair !== null);
  const single = [settings.trusted, settings.revocations].filter((file) => file !== null);
  return [...pairs.flatMap(({ certificate, key }) => [certificate, key]), ...single];
}

/** Rejects with "configuration", naming the file and the reason. */
export async function readFiles(settings: TlsSettings): Promise<FileSet> {
  const files = new Map<string, Buffer>();
  for (const file of filesOf(settings)) {
    let content: Buffer;
    try {
      content = await readFile(file.path);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      throw wrong(file, `cannot be read (${code})`, error);
    }
    if (content.length > FILE_BYTES_MAX) throw wrong(file, "is too large");
    files.set(file.path, content);
  }
  return files;
}

/** Whether the same files hold the same bytes. */
export function areEqual(a: FileSet, b: FileSet): boolean {
  return a.size === b.size && [...a].every(([path, bytes]) => b.get(path)?.equals(bytes) === true);
}

/** Throws "configuration", naming the file and the reason, unless everything fits together at the time `now`. */
export function buildMaterial(settings: TlsSettings, files: FileSet, now: Date): Material {
  const { protocol, pair, clientPair, trusted, revocations } = settings;
  const warnings: string[] = [];
  const held: Held[] = [];
  const shown = pair === null ? null : readPair(pair, files, now, held);
  const shownOut = clientPair === null ? shown : readPair(clientPair, files, now, held);
  const authorities =
    trusted === null ? null : readAuthorities(trusted, files, now, held, warnings);
  if (pair !== null && shown !== null) warnOfUse(settings, pair, shown, warnings);
  // Nobody is to be verified where nobody has to prove anything; absent, it is the public authorities.
  const trust =
    authorities !== null ? { ca: authorities } : settings.clientsMustProve ? {} : { ca: [] };
  const common = { ...protocol, honorCipherOrder: true };
  const server =
    shown === null ? null : { ...common, ...trust, cert: shown.text, key: shown.keyText };
  if (server !== null && pair !== null) tryContext(pair.certificate, server);
  const client = settings.side === "peer" ? outgoing(settings, authorities, shownOut) : null;
  const revoked =
    revocations === null ? new Set<string>() : readRevocations(revocations, files, now, warnings);
  const inUse = shown === null ? null : toInUse(shown.leaf, authorities ?? []);
  return { server, client, revoked, held, inUse, warnings };
}

function toInUse(leaf: X509Certificate, authorities: readonly string[]): TlsInUse {
  return {
    certificate: fingerprintOf(leaf),
    authorities: authorities.map((text) => fingerprintOf(new X509Certificate(text))),
  };
}

/** SHA-256 of the certificate's DER, lowercase hex. */
function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "").toLowerCase();
}

function outgoing(
  { protocol, pair, clientPair, trusted }: TlsSettings,
  authorities: readonly string[] | null,
  shown: Shown | null,
): SecureContext | null {
  const file = (clientPair ?? pair)?.certificate ?? trusted;
  if (file === null) return null;
  return tryContext(file, {
    ...protocol,
    ...(authorities === null ? {} : { ca: [...authorities] }),
    ...(shown === null ? {} : { cert: shown.text, key: shown.keyText }),
  });
}

interface Shown {
  /** PEM. */
  readonly text: string;
  readonly keyText: string;
  readonly leaf: X509Certificate;
}

function readPair(pair: NamedPair, files: FileSet, now: Date, held: Held[]): Shown {
  const text = textOf(pair.certificate, files);
  const [leaf] = readCertificates(pair.certificate, text);
  if (leaf === undefined) throw wrong(pair.certificate, "holds no certificate (PEM)");
  const keyText = textOf(pair.key, files);
  let key: KeyObject;
  try {
    key = createPrivateKey(keyText);
  } catch (error) {
    const hidden = /ENCRYPTED/.test(keyText);
    throw wrong(
      pair.key,
      hidden ? "is encrypted: store it in plain" : "holds no private key (PEM)",
      error,
    );
  }
  if (!leaf.checkPrivateKey(key)) {
    throw wrong(pair.key, `does not belong to the certificate in ${pair.certificate.path}`);
  }
  const entry = toHeld(pair.certificate, leaf);
  if (entry.notAfter <= now) {
    throw wrong(pair.certificate, `expired at ${entry.notAfter.toISOString()}`);
  }
  if (entry.notBefore > now) {
    throw wrong(pair.certificate, `is not valid before ${entry.notBefore.toISOString()}`);
  }
  held.push(entry);
  return { text, keyText, leaf };
}

/** PEM of all authorities in the file; the ones of yesterday may still be among them. */
function readAuthorities(
  file: NamedFile,
  files: FileSet,
  now: Date,
  held: Held[],
  warnings: string[],
): string[] {
  const certificates = readCertificates(file, textOf(file, files));
  if (certificates.length === 0) throw wrong(file, "holds no certificate (PEM)");
  const entries = certificates.map((each) => toHeld(file, each));
  const valid = entries.filter(({ notAfter }) => notAfter > now);
  const [first] = valid.toSorted((a, b) => a.notAfter.getTime() - b.notAfter.getTime());
  if (first === undefined) {
    const last = Math.max(...entries.map(({ notAfter }) => notAfter.getTime()));
    throw wrong(file, `expired at ${new Date(last).toISOString()}`);
  }
  if (valid.length < entries.length) {
    warnings.push(
      `--${file.flag}=${file.path}: ${entries.length - valid.length} of its certificates expired`,
    );
  }
  if (!certificates.some(({ ca }) => ca)) {
    warnings.push(`--${file.flag}=${file.path}: none of its certificates may issue others`);
  }
  held.push(first);
  return certificates.map((each) => each.toString());
}

const SERVER_USE = "1.3.6.1.5.5.7.3.1";
const CLIENT_USE = "1.3.6.1.5.5.7.3.2";

/** The mistakes that otherwise show as broken handshakes at the other end. */
function warnOfUse(
  settings: TlsSettings,
  pair: NamedPair,
  { leaf }: Shown,
  warnings: string[],
): void {
  const { flag, path } = pair.certificate;
  const uses = leaf.keyUsage as readonly string[] | undefined;
  if (uses !== undefined && uses.length > 0) {
    if (!uses.includes(SERVER_USE)) warnings.push(`--${flag}=${path}: is not for servers`);
    const connects = settings.side === "peer" && settings.clientPair === null;
    if (connects && settings.clientsMustProve && !uses.includes(CLIENT_USE))
      warnings.push(`--${flag}=${path}: is not for clients, and members connect to each other`);
  }
  if (leaf.subjectAltName === undefined)
    warnings.push(`--${flag}=${path}: names no host, so that clients cannot verify it`);
}

function readRevocations(
  file: NamedFile,
  files: FileSet,
  now: Date,
  warnings: string[],
): ReadonlySet<string> {
  const bytes = files.get(file.path) ?? Buffer.alloc(0);
  try {
    const { serials, nextUpdate } = readRevocationList(bytes);
    if (nextUpdate !== null && nextUpdate < now) {
      warnings.push(
        `--${file.flag}=${file.path}: a newer list was due at ${nextUpdate.toISOString()}`,
      );
    }
    return serials;
  } catch (error) {
    throw wrong(file, "holds no revocation list (PEM or DER)", error);
  }
}

function readCertificates(file: NamedFile, text: string): X509Certificate[] {
  return decodePem("CERTIFICATE", text).map((der) => {
    try {
      return new X509Certificate(der);
    } catch (error) {
      throw wrong(file, "holds a damaged certificate", error);
    }
  });
}

/** What OpenSSL itself refuses: keys that are too short, digests that are too weak. */
function tryContext(file: NamedFile, options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    const reason =
      error instanceof Error && "reason" in error ? String(error.reason) : String(error);
    throw wrong(file, `is refused: ${reason}`, error);
  }
}

function toHeld(file: NamedFile, certificate: X509Certificate): Held {
  return {
    use: file.flag,
    path: file.path,
    serial: certificate.serialNumber,
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
  };
}

function textOf(file: NamedFile, files: FileSet): string {
  return (files.get(file.path) ?? Buffer.alloc(0)).toString("latin1");
}

function wrong({ flag, path }: NamedFile, reason: string, cause?: unknown): QuorateError {
  return new QuorateError("configuration", `--${flag}=${path} ${reason}`, cause);
}
