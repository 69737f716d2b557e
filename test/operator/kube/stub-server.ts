/** An HTTPS server on loopback that answers as a test says: for what no real API server does on demand. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeClient } from "../../../operator/kube/client.ts";
import { Credentials } from "../../../operator/kube/credentials.ts";
import type { CallReport } from "../../../operator/kube/transport.ts";
import { systemTime } from "../../../operator/time.ts";
import { Pki } from "../../conformance/support/tls.ts";
import { VirtualTime } from "../virtual-time.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (asked: Asked, response: ServerResponse, socket: Socket) => void;

export class StubServer {
  readonly pki: Pki = new Pki(mkdtempSync(join(tmpdir(), "stub-api-")));
  /** When the client's credentials are read again is the test's to say. */
  readonly time: VirtualTime = new VirtualTime();
  readonly asked: Asked[] = [];
  readonly reports: CallReport[] = [];
  /** TLS handshakes so far. */
  handshakes = 0;
  answer: Answer = (_asked, response) => json(response, 200, { metadata: { name: "a" } });
  #server: Server;
  #port = 0;
  #credentials: Credentials | null = null;

  constructor() {
    this.#server = this.#build();
    this.setToken("first");
  }

  #build(): Server {
    const { server } = this.pki;
    const made = createServer(
      { cert: server.certificate, key: server.key },
      (request, response) => {
        const url = new URL(request.url ?? "", "https://stub");
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          const { method = "", headers, socket } = request;
          const body = Buffer.concat(chunks).toString();
          const asked = { method, path: url.pathname, query: url.searchParams, headers, body };
          this.asked.push(asked);
          this.answer(asked, response, socket);
        });
      },
    );
    made.on("secureConnection", () => this.handshakes++);
    return made;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Begins anew on the same port, with the certificates of now. */
  async restart(): Promise<void> {
    await this.#close();
    this.#server = this.#build();
    await this.listen();
  }

  setToken(token: string): void {
    writeFileSync(this.pki.path("token"), token);
  }

  /** As in a pod: token and authority are files. */
  client(options: { timeoutMs?: number; silenceMs?: number } = {}): KubeClient {
    const provider = { name: "tokenFile", config: { tokenFile: this.pki.path("token") } };
    const cluster = {
      server: `https://127.0.0.1:${this.#port}`,
      "certificate-authority": "ca.pem",
    };
    writeFileSync(
      this.pki.path("kubeconfig"),
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { "auth-provider": provider } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "ops" } }],
        "current-context": "x",
      }),
    );
    this.#credentials = new Credentials({ kubeconfig: this.pki.path("kubeconfig") }, this.time);
    return new KubeClient({
      credentials: this.#credentials,
      time: systemTime,
      userAgent: "quorate-operator/test",
      onCall: (report) => this.reports.push(report),
      ...options,
    });
  }

  get namespace(): string | null {
    return this.#credentials?.namespace ?? null;
  }

  async close(): Promise<void> {
    await this.#credentials?.close();
    await this.#close();
    rmSync(this.pki.folder, { recursive: true });
  }

  #close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

export function failure(
  status: number,
  reason: string,
  message: string,
  details: object = {},
): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code: status,
    reason,
    message,
    details,
  };
}
