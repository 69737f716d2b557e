/** --auto-tls: a certificate that the member makes for itself and keeps, where etcd keeps its own. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../../src/base/ports.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { selfSigned } from "../../src/x509/authority.ts";
import type { NamedPair, TlsSettings } from "./settings.ts";

const YEAR_MS = 365 * 24 * 3_600_000;
/** Clocks of others may be behind. */
const BACKDATE_MS = 5 * 60_000;

/**
 * The settings with the pair of `<data-dir>/fixtures/<side>`, which is made if it is not there or has ended. Throws QuorateError
 * "storage" if it cannot be written.
 */
export function withOwnCertificate(
  settings: TlsSettings,
  dataDir: string,
  logger: Logger,
  now: Date,
): TlsSettings {
  if (settings.selfSigned === null) return settings;
  const folder = join(dataDir, "fixtures", settings.side);
  const flag = settings.side === "peer" ? "peer-auto-tls" : "auto-tls";
  const pair: NamedPair = {
    certificate: { flag, path: join(folder, "cert.pem") },
    key: { flag, path: join(folder, "key.pem") },
  };
  const { path } = pair.certificate;
  if (!existsSync(pair.key.path) || !isValid(path, now)) {
    const { hosts, years } = settings.selfSigned;
    const notAfter = new Date(now.getTime() + years * YEAR_MS);
    const made = selfSigned({
      commonName: null,
      organizations: ["quorate"],
      names: [...new Set(hosts.filter((host) => host !== ""))],
      uses: ["authority", "server", "client"],
      notBefore: new Date(now.getTime() - BACKDATE_MS),
      notAfter,
    });
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      replace(pair.key.path, made.key);
      replace(path, made.certificate);
    } catch (error) {
      throw new QuorateError("storage", `--${flag}: ${folder} cannot be written`, error);
    }
    logger.warn({ path, notAfter: notAfter.toISOString() }, "made a certificate of its own");
  }
  return { ...settings, pair };
}

/** One that has ended is made anew: nobody else would do it. */
function isValid(path: string, now: Date): boolean {
  return existsSync(path) && new X509Certificate(readFileSync(path)).validToDate > now;
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
