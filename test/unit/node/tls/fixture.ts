/** Credentials over files of one test each, a server that uses them, and what they log. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../../../node/config.ts";
import { Credentials } from "../../../../node/tls/credentials.ts";
import type { TlsSettings } from "../../../../node/tls/settings.ts";
import type { Logger } from "../../../../src/base/ports.ts";
import { defaultLimits } from "../../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../../src/grpc/server.ts";
import { Pki } from "../../../conformance/support/tls.ts";

export const HOUR_MS = 3_600_000;
export const URLS: readonly string[] = [
  "--listen-client-urls=https://127.0.0.1:1",
  "--advertise-client-urls=https://127.0.0.1:1",
];
export const PEER_URLS: readonly string[] = [
  "--listen-peer-urls=https://127.0.0.1:1",
  "--initial-advertise-peer-urls=https://127.0.0.1:1",
];

export class Scene {
  readonly folder: string = mkdtempSync(join(tmpdir(), "quorate-credentials-"));
  readonly pki: Pki = new Pki(this.folder);
  /** Closed at the end. */
  readonly open: { close(): unknown }[] = [];
  readonly lines: { level: string; message: string; fields: object }[] = [];
  readonly logger: Logger = {
    debug: (fields, message) => void this.lines.push({ level: "debug", message, fields }),
    info: (fields, message) => void this.lines.push({ level: "info", message, fields }),
    warn: (fields, message) => void this.lines.push({ level: "warn", message, fields }),
    error: (fields, message) => void this.lines.push({ level: "error", message, fields }),
  };

  clientSettings(...more: readonly string[]): TlsSettings {
    return loadConfig([...URLS, ...this.pki.flags.slice(0, 3), ...more], {}).clientTls;
  }

  peerSettings(...more: readonly string[]): TlsSettings {
    return loadConfig([...PEER_URLS, ...this.pki.flags.slice(4), ...more], {}).peerTls;
  }

  async opened(settings: TlsSettings): Promise<Credentials> {
    const credentials = await Credentials.open(settings, this.logger);
    this.open.push(credentials);
    return credentials;
  }

  /** The URL of such a server. */
  async served(credentials: Credentials): Promise<string> {
    const { port } = await this.listen(credentials);
    return `https://127.0.0.1:${port}`;
  }

  /** A server of these credentials that answers every GET with the client's name. */
  async listen(credentials: Credentials): Promise<{ server: GrpcServer; port: number }> {
    const server = new GrpcServer({
      router: new Map(),
      http: (request, respond) =>
        respond({ status: 200, headers: {}, body: String(request.certificate?.subject.CN) }),
      limits: defaultLimits,
      observer: null,
      onError: assert.ifError,
    });
    this.open.push(server);
    const terms = credentials.termsFor(server, credentials.settings.plaintextToo);
    return { server, port: (await server.listen({ host: "127.0.0.1", port: 0 }, terms)).port };
  }

  /** Who the server took the client for, or how the connection broke. */
  async asked(url: string): Promise<string> {
    return await this.pki.get(url).then(
      ({ body }) => body,
      (error: unknown) => String(error),
    );
  }

  logged(pattern: RegExp): boolean {
    return this.lines.some(({ message, fields }) =>
      pattern.test(`${message} ${JSON.stringify(fields)}`),
    );
  }

  async close(): Promise<void> {
    for (const each of this.open) await each.close();
    rmSync(this.folder, { recursive: true });
  }
}
