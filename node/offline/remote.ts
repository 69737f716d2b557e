/** One running member, as commands talk to it. */
import { readFileSync } from "node:fs";
import {
  type ChannelCredentials,
  Client,
  connectivityState,
  credentials,
  Metadata,
} from "@grpc/grpc-js";
import { GRPC_STATUS } from "../../src/api/catalogue.ts";
import { Auth, Maintenance } from "../../src/api/gen/methods.ts";
import { type SnapshotResponse, snapshotRequest } from "../../src/api/gen/maintenance.ts";
import type { MethodSpec } from "../../src/api/method.ts";
import { type ErrorCode, QuorateError } from "../../src/base/errors.ts";
import { withoutScheme } from "../../src/base/urls.ts";
import { type Arguments, type Option, refusal } from "./arguments.ts";

/** As etcd's tools name them. */
export const REMOTE_OPTIONS: Readonly<Record<string, Option>> = {
  endpoints: { kind: "text", value: "HOST:PORT", help: "the member (default: 127.0.0.1:2379)" },
  cacert: {
    kind: "text",
    value: "FILE",
    help: "authorities that the member's certificate is checked by",
  },
  cert: { kind: "text", value: "FILE", help: "own certificate" },
  key: { kind: "text", value: "FILE", help: "its private key" },
  user: { kind: "text", value: "NAME:PASSWORD", help: "where authentication is on" },
  password: { kind: "text", help: "if not given with --user" },
};

const CONNECT_MS = 5_000;
const FIRST_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

export class Remote {
  readonly #client: Client;
  readonly #endpoint: string;
  readonly #metadata = new Metadata();

  /** Connected, and authenticated if a user was given. Must be closed. Rejects with a QuorateError that names the endpoint. */
  static async open(given: Arguments): Promise<Remote> {
    const endpoint = endpointOf(given);
    const remote = new Remote(endpoint, credentialsOf(given, endpoint));
    try {
      await remote.#connect();
      const user = given.text("user");
      if (user !== null) await remote.#authenticate(user, given.text("password"));
      return remote;
    } catch (error) {
      remote.close();
      throw error;
    }
  }

  private constructor(endpoint: string, channel: ChannelCredentials) {
    this.#endpoint = endpoint;
    this.#client = new Client(withoutScheme(endpoint), channel, {
      "grpc.max_receive_message_length": FIRST_MESSAGE_BYTES_MAX,
    });
  }

  /** The messages of a snapshot, at the pace at which they are asked for. */
  async *snapshot(signal: AbortSignal): AsyncGenerator<SnapshotResponse> {
    const { path, encodeRequest, decodeResponse } = Maintenance.snapshot;
    const stream = this.#client.makeServerStreamRequest(
      path,
      (request: object) => Buffer.from(encodeRequest(request)),
      (bytes: Buffer) => decodeResponse(bytes),
      snapshotRequest(),
      this.#metadata,
    );
    const onAbort = (): void => stream.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const message of stream) yield message as SnapshotResponse;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#named(error);
    } finally {
      signal.removeEventListener("abort", onAbort);
      stream.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }

  /** Rejects as soon as nobody answers, rather than when the time is up. */
  async #connect(): Promise<void> {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + CONNECT_MS;
    let state = channel.getConnectivityState(true);
    while (state !== connectivityState.READY) {
      const before = state;
      const isLate = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(before, deadline, (error) => resolve(error !== undefined));
      });
      state = channel.getConnectivityState(true);
      if (isLate || state === connectivityState.TRANSIENT_FAILURE) {
        throw new QuorateError("unavailable", `${this.#endpoint} does not answer`);
      }
    }
  }

  async #authenticate(user: string, separate: string | null): Promise<void> {
    const colon = separate === null ? user.indexOf(":") : user.length;
    if (colon < 0) throw refusal("--user needs a password: write NAME:PASSWORD, or add --password");
    const name = user.slice(0, colon);
    const password = separate ?? user.slice(colon + 1);
    try {
      const { token } = await this.#call(Auth.authenticate, { name, password });
      this.#metadata.set("token", token);
    } catch (error) {
      const isOff = error instanceof QuorateError && error.message.endsWith(AUTH_IS_OFF);
      if (!isOff) throw error;
    }
  }

  #call<Request, Response>(
    method: MethodSpec<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        (message: Request) => Buffer.from(method.encodeRequest(message)),
        (bytes: Buffer) => method.decodeResponse(bytes),
        request,
        this.#metadata,
        { deadline: Date.now() + CONNECT_MS },
        (error, answer) => {
          if (error !== null || answer === undefined) reject(this.#named(error));
          else resolve(answer);
        },
      );
    });
  }

  #named(error: unknown): QuorateError {
    const status = error instanceof Error && "code" in error ? error.code : undefined;
    const details = error instanceof Error && "details" in error ? error.details : error;
    const code = CODES.find((name) => GRPC_STATUS[name] === status) ?? "unavailable";
    return new QuorateError(code, `${this.#endpoint}: ${String(details)}`, error);
  }
}

const CODES: readonly ErrorCode[] = Object.keys(GRPC_STATUS) as ErrorCode[];
/** What a member answers to a name and password that it does not ask for. */
const AUTH_IS_OFF = "etcdserver: authentication is not enabled";

function endpointOf(given: Arguments): string {
  const text = given.text("endpoints") ?? "127.0.0.1:2379";
  if (!text.includes(",")) return text;
  throw refusal(`--endpoints=${text}: a snapshot is that of one member, name only that one`);
}

function credentialsOf(given: Arguments, endpoint: string): ChannelCredentials {
  const [authorities, key, certificate] = ["cacert", "key", "cert"].map((name) => {
    const path = given.text(name);
    return path === null ? null : readBytes(name, path);
  });
  const isTls = endpoint.startsWith("https://") || authorities != null || certificate != null;
  if (!isTls) return credentials.createInsecure();
  if ((key == null) !== (certificate == null))
    throw refusal("--cert and --key go together: add the other");
  return credentials.createSsl(authorities ?? null, key ?? null, certificate ?? null);
}

function readBytes(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new QuorateError("configuration", `--${flag}=${path} cannot be read`, error);
  }
}
