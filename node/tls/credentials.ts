/**
 * What one side shows and trusts, kept equal to the files: new handshakes use what was read last, connections that are open
 * stay as they are. Files that are wrong are reported, and what was good goes on being used.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext, type PeerCertificate } from "node:tls";
import { QuorateError } from "../../src/base/errors.ts";
import type { Logger } from "../../src/base/ports.ts";
import type { GrpcServer } from "../../src/grpc/server.ts";
import type { TlsTerms } from "../../src/grpc/tls.ts";
import { chainRefusal, isFor, judgeClient } from "./admission.ts";
import { ExpiryWatch } from "./expiry.ts";
import {
  areEqual,
  buildMaterial,
  type FileSet,
  filesOf,
  type Material,
  readFiles,
} from "./material.ts";
import { PlaintextUse } from "./plaintext.ts";
import type { TlsSettings } from "./settings.ts";
import { watchFiles } from "./watch-files.ts";

/** A pair of files is seldom written in one moment: events within so long are one change. */
const SETTLE_MS = 100;
/** For so long what does not fit together counts as half written. */
const HALF_WRITTEN_MS = 1_000;
/** Refusals that are told in one window; the metric counts all. */
const TELL_WINDOW_MS = 60_000;
const TELL_MAX = 30;

export class Credentials {
  readonly settings: TlsSettings;
  readonly #logger: Logger;
  readonly #servers: Set<GrpcServer> = new Set();
  readonly #expiry: ExpiryWatch;
  #material: Material;
  #files: FileSet;
  #stopWatching: () => void = () => {};
  #settle: NodeJS.Timeout | null = null;
  #checking = false;
  #again = false;
  /** What is wrong with the files as they are now, since when, and whether it was said. */
  #fault: { readonly reason: string; readonly sinceMs: number; told: boolean } | null = null;
  #tellingSinceMs = Number.NEGATIVE_INFINITY;
  #told = 0;
  /** Connections without TLS on listeners with it. */
  readonly plaintext: PlaintextUse;
  /** Handshakes that failed and clients that were refused. */
  refusals = 0;
  /** Times that changed files were taken over, and that they were not. */
  reloads = 0;
  failures = 0;

  /** Reads everything and begins to watch. Rejects with "configuration", naming the file and the reason. */
  static async open(settings: TlsSettings, logger: Logger): Promise<Credentials> {
    const files = await readFiles(settings);
    const material = buildMaterial(settings, files, new Date());
    for (const warning of material.warnings) logger.warn({}, warning);
    const credentials = new Credentials(settings, logger, material, files);
    const paths = filesOf(settings).map(({ path }) => path);
    if (paths.length > 0) {
      credentials.#stopWatching = watchFiles(paths, () => credentials.#onMaybeChanged());
    }
    return credentials;
  }

  private constructor(settings: TlsSettings, logger: Logger, material: Material, files: FileSet) {
    this.settings = settings;
    this.#logger = logger;
    this.#material = material;
    this.#files = files;
    this.plaintext = new PlaintextUse(settings.side, logger);
    this.#expiry = new ExpiryWatch(logger);
    this.#expiry.check(material.held, new Date());
  }

  get material(): Material {
    return this.#material;
  }

  /** On which terms `server` listens; it is told of new certificates from now on. Throws if this side has none. */
  termsFor(server: GrpcServer, plaintextToo: boolean): TlsTerms {
    const { settings } = this;
    const { server: context } = this.#material;
    if (context === null) {
      throw new QuorateError("configuration", `the ${settings.side} side has no certificate`);
    }
    this.#servers.add(server);
    const proof = { requestCert: true, rejectUnauthorized: true };
    return {
      options: { ...context, ...(settings.clientsMustProve ? proof : {}) },
      judge: settings.clientsMustProve
        ? (socket) => judgeClient(settings, this.#material.revoked, socket)
        : null,
      onRefused: (remoteAddress, reason) => {
        this.refusals++;
        if (!this.#mayTell()) return;
        const fields = { side: settings.side, remoteAddress, reason };
        this.#logger.warn(fields, "rejected a connection over TLS");
      },
      plaintextToo,
      onPlaintext: (remoteAddress) => this.plaintext.begin(remoteAddress),
    };
  }

  /** For a new outgoing connection to `host`, with what the files say now. */
  connectOptions(host: string): ConnectionOptions {
    const { settings } = this;
    const { client, revoked } = this.#material;
    const bare = host.replace(/^\[(.*)\]$/, "$1");
    return {
      secureContext: client ?? createSecureContext({ ...settings.protocol }),
      host: bare,
      // RFC 6066 section 3 knows no addresses.
      ...(isIP(bare) === 0 ? { servername: bare } : {}),
      // Made by the other member itself: as with etcd this hides what is said from listeners, and proves nothing.
      rejectUnauthorized: settings.selfSigned === null,
      checkServerIdentity: (_host: string, certificate: PeerCertificate): Error | undefined => {
        const refusal = isFor(new X509Certificate(certificate.raw), bare)
          ? chainRefusal(settings, revoked, certificate)
          : `its certificate is not for ${bare}`;
        return refusal === null ? undefined : new Error(refusal);
      },
    };
  }

  close(): void {
    this.#stopWatching();
    if (this.#settle !== null) clearTimeout(this.#settle);
    this.#servers.clear();
  }

  /** A port scan, or a client that tries again for ever, does not fill the log. */
  #mayTell(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#tellingSinceMs >= TELL_WINDOW_MS) {
      this.#tellingSinceMs = nowMs;
      this.#told = 0;
    }
    return ++this.#told <= TELL_MAX;
  }

  #onMaybeChanged(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = null;
      void this.#check();
    }, SETTLE_MS).unref();
  }

  async #check(): Promise<void> {
    if (this.#checking) {
      this.#again = true;
      return;
    }
    this.#checking = true;
    try {
      await this.#reload();
    } finally {
      this.#checking = false;
    }
    if (!this.#again) return;
    this.#again = false;
    this.#onMaybeChanged();
  }

  async #reload(): Promise<void> {
    const now = new Date();
    this.#expiry.check(this.#material.held, now);
    try {
      const files = await readFiles(this.settings);
      if (!areEqual(files, this.#files)) {
        this.#adopt(buildMaterial(this.settings, files, now));
        this.#files = files;
      }
      this.#fault = null;
    } catch (error) {
      this.#onFault(QuorateError.from(error).message, performance.now());
    }
  }

  #adopt(material: Material): void {
    const { server } = material;
    if (server !== null) for (const each of this.#servers) each.setSecureContext(server);
    this.#material = material;
    this.reloads++;
    for (const warning of material.warnings) this.#logger.warn({}, warning);
    for (const { use, path, serial, notAfter } of material.held) {
      this.#logger.info({ use, path, serial, notAfter: notAfter.toISOString() }, "read again");
    }
  }

  #onFault(reason: string, nowMs: number): void {
    if (this.#fault?.reason !== reason) this.#fault = { reason, sinceMs: nowMs, told: false };
    if (nowMs - this.#fault.sinceMs < HALF_WRITTEN_MS) {
      setTimeout(() => this.#onMaybeChanged(), HALF_WRITTEN_MS).unref();
    } else if (!this.#fault.told) {
      this.#fault.told = true;
      this.failures++;
      const { side } = this.settings;
      this.#logger.error({ side, reason }, "new certificates are not used; the old ones stay");
    }
  }
}
