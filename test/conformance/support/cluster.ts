/** Starts real servers: etcd's and ours, one or several members, fresh directories, free loopback ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withoutScheme } from "../../../src/base/urls.ts";
import type { Pki } from "./tls.ts";
import { tool, until } from "./tools.ts";

export type Product = "etcd" | "quorate";

const MAIN = fileURLToPath(new URL("../../../node/main.ts", import.meta.url));

/** The words that start one member: etcd's binary, or QUORATE_COMMAND, or the sources as they are. */
export function commandOf(product: Product): readonly string[] {
  if (product === "etcd") return [tool("etcd")];
  const override = process.env["QUORATE_COMMAND"];
  return override === undefined ? [process.execPath, MAIN] : override.split(/\s+/);
}

export interface ClusterOptions {
  readonly product: Product;
  readonly members: number;
  /** Flags beside those of addresses and directory. */
  readonly flags?: readonly string[];
  /** Further ones of one member, by its place. */
  readonly flagsOf?: (at: number) => readonly string[];
  /** Mutual TLS, for clients and between members, with these certificates. */
  readonly tls?: Pki;
  /** HTTP on a port of its own. */
  readonly httpApart?: boolean;
}

/** One member: a place on disk and two ports that stay its own over restarts. */
export class Member {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly #command: readonly string[];
  readonly #tls: Pki | null;
  /** For HTTP alone; null: the client URL serves both. */
  readonly #httpUrl: string | null;
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();

  constructor(
    name: string,
    folder: string,
    ports: readonly number[],
    command: readonly string[],
    tls: Pki | null = null,
  ) {
    const scheme = tls === null ? "http" : "https";
    this.name = name;
    this.#tls = tls;
    this.clientUrl = `${scheme}://127.0.0.1:${ports[0]}`;
    this.peerUrl = `${scheme}://127.0.0.1:${ports[1]}`;
    this.#httpUrl = ports[2] === undefined ? null : `${scheme}://127.0.0.1:${ports[2]}`;
    this.dataDir = join(folder, name);
    this.logFile = join(folder, `${name}.log`);
    this.#command = command;
  }

  get endpoint(): string {
    return withoutScheme(this.clientUrl);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  /** Starts the process; `awaitHealthy` says when it serves. Null: something else says how it begins. */
  start(initialCluster: string | null, state: "new" | "existing", flags: readonly string[]): void {
    const [program = "", ...first] = this.#command;
    const log = openSync(this.logFile, "a");
    const child = spawn(
      program,
      [
        ...first,
        `--name=${this.name}`,
        `--data-dir=${this.dataDir}`,
        `--listen-client-urls=${this.clientUrl}`,
        `--advertise-client-urls=${this.clientUrl}`,
        `--listen-peer-urls=${this.peerUrl}`,
        `--initial-advertise-peer-urls=${this.peerUrl}`,
        ...(initialCluster === null
          ? []
          : [`--initial-cluster=${initialCluster}`, `--initial-cluster-state=${state}`]),
        ...(this.#httpUrl === null ? [] : [`--listen-client-http-urls=${this.#httpUrl}`]),
        ...flags,
      ],
      { stdio: ["ignore", log, log] },
    );
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        if (this.#child === child) this.#child = null;
        resolve();
      };
      child.on("exit", gone);
      child.on("error", gone);
    });
  }

  /** Sends the signal and waits for the end; SIGKILL after 20 s. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await this.#exited;
    clearTimeout(timer);
  }

  async healthy(): Promise<boolean> {
    const url = `${this.#httpUrl ?? this.clientUrl}/health`;
    try {
      if (this.#tls !== null) return (await this.#tls.get(url)).body.includes('"true"');
      const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
      return answer.ok && (await answer.text()).includes("true");
    } catch {
      return false;
    }
  }

  async awaitHealthy(timeoutMs = 30_000): Promise<void> {
    await until(`${this.name} (${this.#command.join(" ")}) is healthy`, timeoutMs, async () => {
      if (!this.running) throw new Error(`${this.name} ended early:\n${this.logTail()}`);
      return this.healthy();
    });
  }

  logTail(): string {
    return readFileSync(this.logFile, "utf8").slice(-4000);
  }
}

/** Members that form one cluster. */
export class Cluster {
  readonly product: Product;
  readonly folder: string;
  readonly members: Member[];
  readonly tls: Pki | null;
  readonly #flags: readonly string[];
  readonly #flagsOf: (at: number) => readonly string[];
  readonly #initial: string;

  /** Starts all members and waits until each is healthy. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options, await freePorts(options.members * portsEach(options)));
    for (const member of cluster.members) cluster.#begin(member);
    try {
      await cluster.awaitHealthy();
    } catch (thrown) {
      await cluster.stop({ keep: true });
      throw thrown;
    }
    return cluster;
  }

  /** Chooses directories and ports, starts nothing: `restart` does, on what was put into the directories. */
  static async prepare(options: ClusterOptions): Promise<Cluster> {
    return new Cluster(options, await freePorts(options.members * portsEach(options)));
  }

  private constructor(options: ClusterOptions, ports: readonly number[]) {
    this.product = options.product;
    this.folder = mkdtempSync(join(tmpdir(), `conformance-${options.product}-`));
    this.#flagsOf = options.flagsOf ?? (() => []);
    this.tls = options.tls ?? null;
    this.#flags = [...(options.flags ?? []), ...(this.tls?.flags ?? [])];
    const command = commandOf(options.product);
    this.members = Array.from({ length: options.members }, (_, at) => {
      const own = ports.slice(at * portsEach(options), (at + 1) * portsEach(options));
      return new Member(`m${at}`, this.folder, own, command, this.tls);
    });
    this.#initial = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  }

  /** All members with their peer URLs, as `--initial-cluster` takes them. */
  get initialCluster(): string {
    return this.#initial;
  }

  get endpoints(): string {
    return this.members.map(({ endpoint }) => endpoint).join(",");
  }

  member(at: number): Member {
    const member = this.members[at];
    if (member === undefined) throw new Error(`no member ${at}`);
    return member;
  }

  async awaitHealthy(timeoutMs?: number): Promise<void> {
    await Promise.all(this.members.map((member) => member.awaitHealthy(timeoutMs)));
  }

  #begin(member: Member): void {
    const own = this.#flagsOf(this.members.indexOf(member));
    member.start(this.#initial, "new", [...this.#flags, ...own]);
  }

  /** Starts a member of the first configuration again, on what it has on disk. */
  restart(member: Member): void {
    this.#begin(member);
  }

  /** A further member, not started: add it to the cluster first, then call `join`. */
  async prepareMember(): Promise<Member> {
    const [client = 0, peer = 0] = await freePorts(2);
    const name = `m${this.members.length}`;
    const command = commandOf(this.product);
    const member = new Member(name, this.folder, [client, peer], command, this.tls);
    this.members.push(member);
    return member;
  }

  /** Starts a prepared member, once `member add` has answered. */
  join(member: Member): void {
    const initial = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    member.start(initial, "existing", this.#flags);
  }

  /** Ends every member and removes the files; with `keep`, names the folder of data and logs instead. */
  async stop(options: { readonly keep?: boolean } = {}): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop("SIGKILL")));
    if (options.keep === true)
      console.error(`${this.product}: data and logs are kept in ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

function portsEach({ httpApart }: ClusterOptions): number {
  return httpApart === true ? 3 : 2;
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
