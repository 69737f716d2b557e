/** Who we are to the API server and how it is reached: client-node reads kubeconfigs and tokens, one Agent keeps connections. */
import type { AgentOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";
import {
  type Cluster,
  type DispatcherOptions,
  HttpMethod,
  KubeConfig,
  RequestContext,
} from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent, type buildConnector } from "undici";
import { QuorateError } from "../../src/base/errors.ts";
import type { Time } from "../time.ts";

/** Files are read again this often, so that a new token or authority is taken up without an error. */
const REREAD_MS = 10_000;
/** Below what load balancers take for idle. */
const TCP_KEEPALIVE_MS = 30_000;
const CONNECT_MS_MAX = 10_000;
/** A connection that lay idle for longer is not used again: the server may be closing it. */
const IDLE_MS_MAX = 30_000;

/** What a request needs beside its path. */
export interface Access {
  /** Without a slash at its end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

/**
 * In a pod: its service account. Else as kubectl does it: KUBECONFIG, then the file in the home directory. `kubeconfig`
 * names a file instead, `context` a context of it other than the current one.
 */
export interface CredentialSource {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** client-node would make a connection for each request; this one tells how it would have, and makes none. */
class RecordingConfig extends KubeConfig {
  recorded: DispatcherOptions | null = null;

  override createDispatcherOptions(
    cluster: Cluster | null,
    options: AgentOptions,
  ): DispatcherOptions {
    this.recorded = super.createDispatcherOptions(cluster, options);
    return { type: "none" };
  }
}

/** Holds one Agent for as long as the TLS material stays what it is. */
export class Credentials {
  readonly #source: CredentialSource;
  readonly #time: Time;
  #config: RecordingConfig;
  #access: Access | null = null;
  #readAt = 0;
  #reading: Promise<Access> | null = null;
  #material = "";
  #dispatcher: Dispatcher | null = null;

  /** Throws a `QuorateError` ("configuration") where no cluster is named. */
  constructor(source: CredentialSource, time: Time) {
    this.#source = source;
    this.#time = time;
    this.#config = load(source);
  }

  /** The namespace of the pod, or of the kubeconfig's context; null where none is named. */
  get namespace(): string | null {
    const { currentContext } = this.#config;
    return this.#config.getContextObject(currentContext)?.namespace ?? null;
  }

  /** What to send a request with. Files are read at most every few seconds. */
  access(): Promise<Access> {
    const fresh = this.#time.now() - this.#readAt < REREAD_MS;
    if (this.#access !== null && fresh) return Promise.resolve(this.#access);
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  /** The API server refused `used`: the next access is from files read anew. */
  refused(used: Access): void {
    if (this.#access !== used) return;
    // client-node keeps a token for a minute: a config of its own has none yet.
    this.#config = load(this.#source);
    this.#access = null;
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#dispatcher?.destroy();
  }

  async #read(): Promise<Access> {
    const config = this.#config;
    const server = (config.getCurrentCluster()?.server ?? "").replace(/\/+$/, "");
    const context = new RequestContext(server, HttpMethod.GET);
    await config.applySecurityAuthentication(context);
    const options = config.recorded ?? { type: "none" };
    const dispatcher = this.#dispatcherFor(options);
    const access = { server, headers: context.getHeaders(), dispatcher };
    if (config === this.#config) {
      this.#access = access;
      this.#readAt = this.#time.now();
    }
    return access;
  }

  #dispatcherFor(options: DispatcherOptions): Dispatcher {
    const material = JSON.stringify(options);
    if (this.#dispatcher !== null && material === this.#material) return this.#dispatcher;
    // What is under way on the old one ends on it.
    void this.#dispatcher?.close();
    this.#dispatcher = build(options);
    this.#material = material;
    return this.#dispatcher;
  }
}

function load({ kubeconfig, context }: CredentialSource): RecordingConfig {
  const config = new RecordingConfig();
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else if (inCluster()) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (thrown) {
    throw new QuorateError(
      "configuration",
      `cannot read the kubeconfig: ${String(thrown)}`,
      thrown,
    );
  }
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new QuorateError("configuration", "the kubeconfig names no cluster in its context");
  }
  if (cluster.server.startsWith("http:") && cluster.skipTLSVerify !== true) {
    const text = `no kubeconfig, and no TLS to ${cluster.server}: give --kubeconfig, or let it skip TLS`;
    throw new QuorateError("configuration", text);
  }
  return config;
}

function inCluster(): boolean {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST } = process.env;
  return (KUBECONFIG ?? "") === "" && (KUBERNETES_SERVICE_HOST ?? "") !== "";
}

function build(options: DispatcherOptions): Dispatcher {
  const limits = {
    // Deadlines are each call's own; a watch may be silent for long.
    bodyTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: IDLE_MS_MAX,
    // Each watch on a connection of its own: one that hangs says nothing about the others.
    allowH2: false,
  };
  switch (options.type) {
    case "socks":
      throw new QuorateError("configuration", "a SOCKS proxy in a kubeconfig is not supported");
    case "proxy":
      return new ProxyAgent({
        ...limits,
        uri: options.uri,
        requestTls: connector(options.requestTls),
      });
    case "agent":
      return new Agent({ ...limits, connect: connector(options.connect) });
    case "none":
      return new Agent({ ...limits, connect: connector({}) });
  }
}

function connector(tls: ConnectionOptions): buildConnector.BuildOptions {
  const given = Object.entries(tls).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(given) as buildConnector.BuildOptions),
    timeout: CONNECT_MS_MAX,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEPALIVE_MS,
  };
}
