/**
 * One member as the client reaches it: a channel, whether it is ready, and when something was last heard over it. A member
 * that stopped answering keeps its connections open, so silence is broken by a question that any live process answers.
 */
import {
  type ChannelCredentials,
  Client,
  Metadata,
  type ServiceError,
  connectivityState,
  credentials,
  status,
} from "@grpc/grpc-js";
import { Health } from "../api/gen/methods.ts";
import { ClientError } from "./error.ts";

/** What all endpoints of a client share. */
export interface EndpointSettings {
  /** Null: plaintext, unless the endpoint says https. */
  readonly credentials: ChannelCredentials | null;
  /** The name to verify instead of the endpoint's; null without. */
  readonly serverName: string | null;
  /** How long a connection may take to come up before it is begun anew, in milliseconds. */
  readonly dialTimeoutMs: number;
  /** How long the answer to a question for life may take. */
  readonly probeTimeoutMs: number;
  /** How long a member with open streams may be silent before it is asked. */
  readonly silenceMs: number;
}

const DEFAULT_PORT = 2379;
/** After a failure others are preferred for so long; doubles with each further one. */
const SHUN_FIRST_MS = 100;
const SHUN_MAX_MS = 5_000;

const CHANNEL_OPTIONS: Readonly<Record<string, number>> = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A member that was moved has another address under the same name.
  "grpc.dns_min_time_between_resolutions_ms": 1_000,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.use_local_subchannel_pool": 1,
  // What may be sent again is decided in retry.ts.
  "grpc.enable_retries": 0,
};

/** Where an endpoint leads: `host`, `host:port`, `http://…`, `https://…` or `unix:///path`. */
export interface Target {
  /** As grpc-js takes it. */
  readonly address: string;
  /** Null: as the client's options say. */
  readonly secure: boolean | null;
}

/** Throws a "configuration" error for what is no endpoint. */
export function parseEndpoint(text: string): Target {
  if (text.startsWith("unix:")) return { address: text, secure: false };
  const match = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.%]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const [, scheme, host, port] = match ?? [];
  if (host === undefined) {
    throw new ClientError("configuration", `'${text}' is no endpoint: write host:port or a URL`);
  }
  const secure = scheme === undefined ? null : scheme === "https";
  return { address: `${host}:${port ?? DEFAULT_PORT}`, secure };
}

/** A stream of this endpoint, as far as the endpoint ends it. */
export interface Cancellable {
  cancel(): void;
}

export class Endpoint {
  /** As it was given. */
  readonly name: string;
  readonly #target: Target;
  #settings: EndpointSettings;
  #client: Client;
  #closed = false;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #shunnedUntilMs = 0;
  /** How many wait for the connection; it is dialled while somebody does. */
  #waiting = 0;
  /** Why the last connection did not come up; empty where none was refused. */
  #refusal = "";
  #dialling: Promise<void> | null = null;
  #probing: Promise<boolean> | null = null;
  readonly #streams = new Set<Cancellable>();
  #vigil: NodeJS.Timeout | null = null;

  constructor(name: string, settings: EndpointSettings) {
    this.name = name;
    this.#target = parseEndpoint(name);
    this.#settings = settings;
    this.#client = this.#open();
  }

  get client(): Client {
    return this.#client;
  }

  /** Connected, which includes that the member has spoken. */
  get isReady(): boolean {
    if (this.#closed) return false;
    return this.#client.getChannel().getConnectivityState(true) === connectivityState.READY;
  }

  /** It failed a moment ago: others first. */
  get isShunned(): boolean {
    return performance.now() < this.#shunnedUntilMs;
  }

  /** Why there is no connection, as far as it is known. */
  get refusal(): string {
    return this.#refusal;
  }

  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  /** The member said something: it lives. */
  heard(): void {
    this.#heardAtMs = performance.now();
  }

  succeeded(): void {
    this.#failures = 0;
    this.#shunnedUntilMs = 0;
  }

  failed(): void {
    const ms = Math.min(SHUN_MAX_MS, SHUN_FIRST_MS * 2 ** this.#failures++);
    this.#shunnedUntilMs = performance.now() + ms;
  }

  /** Resolves when the connection is up or `until` is, whichever comes first. Never rejects. */
  async ready(until: Promise<unknown>): Promise<void> {
    this.#waiting++;
    this.#dialling ??= this.#dial().finally(() => (this.#dialling = null));
    await Promise.race([this.#dialling, until]);
    this.#waiting--;
  }

  /** Asks for a sign of life; false, and the connection is begun anew, where none comes in time. */
  probe(): Promise<boolean> {
    this.#probing ??= this.#ask().finally(() => (this.#probing = null));
    return this.#probing;
  }

  /** Registers a stream: while there is one, the member's silence is looked into. Returns what takes it off again. */
  watchOver(stream: Cancellable): () => void {
    this.#streams.add(stream);
    this.#vigil ??= setInterval(() => void this.#look(), this.#settings.silenceMs).unref();
    return () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#rest();
    };
  }

  /** New connections use these; what runs over the old one goes on there. */
  renew(settings: EndpointSettings): void {
    this.#settings = settings;
    this.#replace();
  }

  /** Streams are canceled; unary calls under way run to their ends. */
  close(): void {
    this.#closed = true;
    this.#rest();
    for (const stream of Array.from(this.#streams)) stream.cancel();
    this.#client.close();
  }

  #open(): Client {
    const { serverName, credentials: shared } = this.#settings;
    const { address, secure } = this.#target;
    let chosen = shared ?? credentials.createInsecure();
    if (secure === false) chosen = credentials.createInsecure();
    if (secure === true && shared === null) chosen = credentials.createSsl();
    const named = serverName === null ? {} : { "grpc.ssl_target_name_override": serverName };
    return new Client(address, chosen, { ...CHANNEL_OPTIONS, ...named });
  }

  #replace(): void {
    const old = this.#client;
    if (!this.#closed) this.#client = this.#open();
    old.close();
  }

  async #dial(): Promise<void> {
    while (!this.isReady && this.#waiting > 0 && !this.#closed) {
      const channel = this.#client.getChannel();
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.TRANSIENT_FAILURE) await this.#hearRefusal();
      const deadline = Date.now() + this.#settings.dialTimeoutMs;
      const late = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, deadline, (error) => resolve(error !== undefined));
      });
      // Packets that vanish are sent again ever more rarely: a new connection is quicker once they no longer do.
      if (late && state === connectivityState.CONNECTING && channel === this.#client.getChannel())
        this.#replace();
    }
  }

  /** A channel tells why it is not connected to calls alone: one that fails at once. */
  #hearRefusal(): Promise<void> {
    const deadline = Date.now() + this.#settings.probeTimeoutMs;
    return new Promise((resolve) => {
      call(this.#client, deadline, (error) => {
        this.#refusal = reasonOf(error?.details ?? "");
        resolve();
      });
    });
  }

  #ask(): Promise<boolean> {
    const asked = this.#client;
    const deadline = Date.now() + this.#settings.probeTimeoutMs;
    return new Promise((resolve) => {
      call(asked, deadline, (error) => resolve(this.#onProbed(asked, error)));
    });
  }

  #onProbed(asked: Client, error: ServiceError | null): boolean {
    const lives = error === null || !DEAD.has(error.code);
    if (lives) this.heard();
    else if (asked === this.#client) this.#abandon();
    return lives;
  }

  /** The member does not answer: whoever listens to it turns to another, and the next connection is a new one. */
  #abandon(): void {
    this.failed();
    for (const stream of Array.from(this.#streams)) stream.cancel();
    this.#replace();
  }

  async #look(): Promise<void> {
    if (this.silentMs >= this.#settings.silenceMs) await this.probe();
  }

  #rest(): void {
    if (this.#vigil !== null) clearInterval(this.#vigil);
    this.#vigil = null;
  }
}

/** What a question is answered with where nobody is there. */
const DEAD: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
]);

/** What grpc-js wraps in its own words, with the time. */
function reasonOf(details: string): string {
  const [, wrapped] = /Last error: (?:Error: )?(.*)$/s.exec(details) ?? [];
  const reason = wrapped?.replace(/\.? *Resolution note:.*$/s, "").replace(/ \([\d:TZ.-]+\)$/, "");
  return reason ?? details;
}

/** The cheapest question: any live process of a member answers it, with or without a leader and whoever asks. */
function call(client: Client, deadline: number, onEnd: (error: ServiceError | null) => void): void {
  client.makeUnaryRequest(
    Health.check.path,
    () => Buffer.alloc(0),
    () => null,
    null,
    new Metadata(),
    { deadline },
    onEnd,
  );
}
