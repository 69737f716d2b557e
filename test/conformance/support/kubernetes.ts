/**
 * A kube-apiserver and a kube-controller-manager on loopback, with their state in the endpoints given. No nodes: none are
 * needed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./cluster.ts";
import { tool, until } from "./tools.ts";

const TOKEN = "conformance";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Where a control plane has what: `controlPlaneFiles`, and what it writes itself. */
export interface Folders {
  readonly files: string;
  readonly data: string;
}

/** The flags of a kube-apiserver without nodes. */
export function apiServerFlags({ files, data }: Folders, port: number): string[] {
  return [
    `--cert-dir=${data}/certs`,
    `--secure-port=${port}`,
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.96.0.0/16",
    `--service-account-key-file=${files}/sa.key`,
    `--service-account-signing-key-file=${files}/sa.key`,
    "--service-account-issuer=https://kubernetes.default.svc",
    "--authorization-mode=RBAC",
    `--token-auth-file=${files}/tokens.csv`,
    "--disable-admission-plugins=ServiceAccount",
  ];
}

/** The flags of the kube-controller-manager beside it. */
export function controllerFlags({ files, data }: Folders, port: number): string[] {
  const kubeconfig = `${files}/kubeconfig`;
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${files}/sa.key`,
    `--cert-dir=${data}/manager-certs`,
    `--secure-port=${port}`,
    "--leader-elect=false",
    "--kube-api-qps=200",
    "--kube-api-burst=400",
  ];
}

/** What both read: the key of service accounts, an administrator's token, and how the one finds the other at `url`. */
export function controlPlaneFiles(url: string): Readonly<Record<string, string>> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    "sa.key": privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    "tokens.csv": `${TOKEN},admin,admin,"system:masters"\n`,
    kubeconfig: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: TOKEN } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  };
}

/** The administrator of a kube-apiserver with those files. */
export class ApiServerCaller {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });

  constructor(url: string) {
    this.#url = url;
  }

  /** One request; rejects when there is no answer within 5 s. */
  call(
    method: string,
    path: string,
    body?: object,
    contentType = "application/json",
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${TOKEN}`, "content-type": contentType };
      const outgoing = request(
        `${this.#url}${path}`,
        { method, headers, agent: this.#agent, timeout: 5000 },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            const parsed: unknown = text.startsWith("{") ? JSON.parse(text) : text;
            resolve({ status: incoming.statusCode ?? 0, body: parsed });
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 5 s")));
      outgoing.on("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

export class ControlPlane {
  readonly folder: string = mkdtempSync(join(tmpdir(), "conformance-kubernetes-"));
  readonly #port: number;
  readonly #children: ChildProcess[] = [];
  readonly #caller: ApiServerCaller;

  /** Without `controllers` nothing acts on what is stored: enough for what the API server says itself. */
  static async start(
    etcdServers: readonly string[],
    options: { readonly controllers?: boolean } = {},
  ): Promise<ControlPlane> {
    const [port = 0, ...more] = await freePorts(2);
    const plane = new ControlPlane(port);
    try {
      await plane.#startServer(etcdServers);
      if (options.controllers !== false) plane.#startControllers(more[0] ?? 0);
    } catch (thrown) {
      await plane.stop({ keep: true });
      throw thrown;
    }
    return plane;
  }

  private constructor(port: number) {
    this.#port = port;
    this.#caller = new ApiServerCaller(this.url);
  }

  #file(name: string): string {
    return join(this.folder, name);
  }

  get #folders(): Folders {
    return { files: this.folder, data: this.folder };
  }

  /** For kubectl. */
  get kubeconfig(): string {
    return this.#file("kubeconfig");
  }

  async #startServer(etcdServers: readonly string[]): Promise<void> {
    for (const [name, text] of Object.entries(controlPlaneFiles(this.url)))
      writeFileSync(this.#file(name), text);
    this.#spawn("kube-apiserver", [
      `--etcd-servers=${etcdServers.join(",")}`,
      "--bind-address=127.0.0.1",
      ...apiServerFlags(this.#folders, this.#port),
    ]);
    await until("kube-apiserver is ready", 90_000, async () => (await this.#ready()) === 200, 250);
  }

  #startControllers(managerPort: number): void {
    this.#spawn("kube-controller-manager", controllerFlags(this.#folders, managerPort));
  }

  async #ready(): Promise<number> {
    if (this.#children.some(({ exitCode }) => exitCode !== null)) throw new Error(this.logs());
    return this.call("GET", "/readyz").then(
      ({ status }) => status,
      () => 0,
    );
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  #spawn(name: string, flags: readonly string[]): void {
    const log = openSync(join(this.folder, `${name}.log`), "a");
    this.#children.push(spawn(tool(name), flags, { stdio: ["ignore", log, log] }));
    closeSync(log);
  }

  /** As `ApiServerCaller` has it. */
  async call(method: string, path: string, body?: object, contentType?: string): Promise<Answer> {
    return await this.#caller.call(method, path, body, contentType);
  }

  logs(): string {
    return ["kube-apiserver", "kube-controller-manager"]
      .map((name) => {
        try {
          return readFileSync(join(this.folder, `${name}.log`), "utf8").slice(-2000);
        } catch {
          return "";
        }
      })
      .join("\n");
  }

  async stop(options: { readonly keep?: boolean } = {}): Promise<void> {
    this.#caller.close();
    for (const child of this.#children.toReversed()) {
      // kube-apiserver waits for its store on SIGTERM.
      const exited = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL"))
        await exited;
    }
    if (options.keep === true) console.error(`logs are kept in ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}
