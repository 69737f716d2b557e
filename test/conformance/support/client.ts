/**
 * A plain gRPC client: @grpc/grpc-js with etcd's own message definitions as the npm package `etcd3` ships them, so that
 * neither end of what it proves is our codec.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ServiceError,
  credentials,
  status,
} from "@grpc/grpc-js";
import protobuf from "protobufjs";

/** Fields by camel-case name; 64-bit integers as decimal strings, bytes as Buffers, enums as numbers. */
export type Fields = Readonly<Record<string, unknown>>;

const PROTO = join(dirname(createRequire(import.meta.url).resolve("etcd3/package.json")), "proto");
const root = new protobuf.Root();
root.resolvePath = (_, target): string => join(PROTO, target.replace(/^.*\//, ""));
await root.load(join(PROTO, "rpc.proto"));

interface MethodTypes {
  readonly path: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

/** `KV/Put` as the path and the two types. */
function method(name: string): MethodTypes {
  const [service = "", call = ""] = name.split("/");
  const found = root.lookupService(`etcdserverpb.${service}`).methods[call];
  if (found === undefined) throw new Error(`no method ${name}`);
  return {
    path: `/etcdserverpb.${name}`,
    request: root.lookupType(`etcdserverpb.${found.requestType}`),
    response: root.lookupType(`etcdserverpb.${found.responseType}`),
  };
}

function encoder(type: protobuf.Type): (fields: Fields) => Buffer {
  return (fields) => Buffer.from(type.encode(type.fromObject(fields)).finish());
}

function decoder(type: protobuf.Type): (bytes: Buffer) => Fields {
  const shape = { longs: String, defaults: true, arrays: true };
  return (bytes) => type.toObject(type.decode(bytes), shape);
}

/** One connection to one member. */
export class MemberClient {
  readonly endpoint: string;
  readonly #client: Client;

  constructor(endpoint: string, channel: ChannelCredentials = credentials.createInsecure()) {
    this.endpoint = endpoint;
    this.#client = new Client(endpoint, channel, {
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 300,
      "grpc.max_receive_message_length": -1,
      // Members of different tests may have had the same port: no connection is shared.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** A unary call; rejects with grpc-js's ServiceError. */
  call(name: string, request: Fields, timeoutMs = 5000): Promise<Fields> {
    const { path, request: input, response: output } = method(name);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        encoder(input),
        decoder(output),
        request,
        { deadline: Date.now() + timeoutMs },
        (error, answer) => (error === null ? resolve(answer ?? {}) : reject(error)),
      );
    });
  }

  /** A stream of both directions. */
  open(name: string): ClientDuplexStream<Fields, Fields> {
    const { path, request, response } = method(name);
    return this.#client.makeBidiStreamRequest(path, encoder(request), decoder(response));
  }

  close(): void {
    this.#client.close();
  }
}

export function statusOf(thrown: unknown): number {
  return (thrown as ServiceError).code ?? status.UNKNOWN;
}

/**
 * Puts to whichever member answers, trying the next one at once when one fails. Keys are written once, so a repeat is
 * harmless.
 */
export class FailoverClient {
  readonly #members: readonly MemberClient[];
  #current = 0;

  constructor(endpoints: readonly string[]) {
    this.#members = endpoints.map((endpoint) => new MemberClient(endpoint));
  }

  /** Repeats until it is acknowledged or `withinMs` have passed. */
  async call(name: string, request: Fields, withinMs = 15_000, attemptMs = 1000): Promise<Fields> {
    const end = performance.now() + withinMs;
    for (;;) {
      const at = this.#current;
      try {
        return await this.#member(at).call(name, request, attemptMs);
      } catch (thrown) {
        if (performance.now() > end) throw thrown;
        // Many calls fail together: only the first moves on.
        if (this.#current === at) this.#current = (at + 1) % this.#members.length;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #member(at: number): MemberClient {
    const member = this.#members[at];
    if (member === undefined) throw new Error("a failover client needs endpoints");
    return member;
  }

  close(): void {
    for (const member of this.#members) member.close();
  }
}

/** The member that leads; asks every one until some leader is known. */
export async function findLeader<T extends { readonly endpoint: string }>(
  members: readonly T[],
  withinMs = 10_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    for (const member of members) {
      const client = new MemberClient(member.endpoint);
      try {
        const answer = await client.call("Maintenance/Status", {}, 500);
        const header = answer["header"] as Fields;
        if (answer["leader"] !== "0" && header["memberId"] === answer["leader"]) return member;
      } catch {
        // Not this one.
      } finally {
        client.close();
      }
    }
    if (performance.now() > end) throw new Error(`no leader within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Hash and revision of each member at one revision, once all have it. */
export async function hashes(endpoints: readonly string[]): Promise<string[]> {
  const clients = endpoints.map((endpoint) => new MemberClient(endpoint));
  try {
    const [first] = clients;
    if (first === undefined) return [];
    const answer = await first.call("KV/Range", { key: Buffer.from("x") });
    const { revision } = answer["header"] as Fields;
    return await Promise.all(
      clients.map(async (client) => {
        await client.call("KV/Range", { key: Buffer.from("x") });
        const { hash } = (await client.call("Maintenance/HashKV", { revision }, 30_000)) as {
          hash: number;
        };
        return `${hash} at ${String(revision)}`;
      }),
    );
  } finally {
    for (const client of clients) client.close();
  }
}
