/** Certificates for a cluster under test, made at run time: an authority, the members' pairs, a client's, in one folder. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { Authority, type KeyPair } from "../../../src/x509/authority.ts";
import type { KeyUse } from "../../../src/x509/certificate.ts";

const HOUR_MS = 3_600_000;
const HERE = ["127.0.0.1", "localhost"];

export interface OrderedPair {
  readonly commonName: string;
  readonly names?: readonly string[];
  readonly uses: readonly KeyUse[];
  readonly notAfter?: Date;
}

export function newAuthority(commonName: string): Authority {
  return Authority.create(commonName, validity());
}

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + 1000 * HOUR_MS) };
}

export function issue(authority: Authority, order: OrderedPair): KeyPair {
  return authority.issue({ ...validity(), names: [], ...order });
}

/** The files of one cluster. Members of one cluster share a pair for clients and one for peers. */
export class Pki {
  readonly folder: string;
  authority: Authority = newAuthority("test root");
  server: KeyPair;
  peer: KeyPair;
  client: KeyPair;
  /** What clients and members trust, PEM. */
  trusted: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.trusted = this.authority.certificate;
    this.writeTrusted(this.trusted);
    [this.server, this.peer, this.client] = this.#issueAll();
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** New pairs for all, by the authority of now. */
  renew(): void {
    [this.server, this.peer, this.client] = this.#issueAll();
  }

  #issueAll(): [KeyPair, KeyPair, KeyPair] {
    const { authority } = this;
    const names = HERE;
    return [
      this.write("server", issue(authority, { commonName: "server", names, uses: ["server"] })),
      this.write(
        "peer",
        issue(authority, { commonName: "peer", names, uses: ["server", "client"] }),
      ),
      this.write("client", issue(authority, { commonName: "client", uses: ["client"] })),
    ];
  }

  writeTrusted(text: string): void {
    this.trusted = text;
    this.replace("ca.pem", text);
  }

  /** As files are replaced by who does it well: each in one step. */
  write(name: string, pair: KeyPair): KeyPair {
    this.replace(`${name}.pem`, pair.certificate);
    this.replace(`${name}.key`, pair.key);
    return pair;
  }

  replace(name: string, content: string | Uint8Array): void {
    writeFileSync(this.path(`${name}.new`), content);
    renameSync(this.path(`${name}.new`), this.path(name));
  }

  /** Flags of a member: mutual TLS on both sides. */
  get flags(): string[] {
    return [
      `--cert-file=${this.path("server.pem")}`,
      `--key-file=${this.path("server.key")}`,
      `--trusted-ca-file=${this.path("ca.pem")}`,
      "--client-cert-auth",
      `--peer-cert-file=${this.path("peer.pem")}`,
      `--peer-key-file=${this.path("peer.key")}`,
      `--peer-trusted-ca-file=${this.path("ca.pem")}`,
      "--peer-client-cert-auth",
    ];
  }

  /** Flags of etcd's clients. */
  get clientFlags(): string[] {
    return [
      `--cacert=${this.path("ca.pem")}`,
      `--cert=${this.path("client.pem")}`,
      `--key=${this.path("client.key")}`,
    ];
  }

  /** For grpc-js, as the client's pair is now. */
  channel(): ChannelCredentials {
    const { certificate, key } = this.client;
    return credentials.createSsl(
      Buffer.from(this.trusted),
      Buffer.from(key),
      Buffer.from(certificate),
    );
  }

  /** One GET over a connection of its own: the body, and the serial number that the server showed. */
  get(url: string): Promise<{ readonly body: string; readonly serial: string }> {
    const { certificate: cert, key } = this.client;
    return new Promise((resolve, reject) => {
      const options = { ca: this.trusted, cert, key, agent: false, timeout: 5_000 };
      const call = request(url, options, (response) => {
        const { socket } = response;
        const serial =
          "getPeerCertificate" in socket && typeof socket.getPeerCertificate === "function"
            ? String(socket.getPeerCertificate().serialNumber)
            : "";
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => (body += text));
        response.on("end", () => resolve({ body, serial }));
      });
      call.on("timeout", () => call.destroy(new Error("no answer")));
      call.on("error", reject);
      call.end();
    });
  }
}

/** A serial number as certificates print it. */
export function printed(serial: bigint): string {
  return serial.toString(16).toUpperCase().padStart(32, "0");
}
