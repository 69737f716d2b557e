/** Real members for the client's tests, and what stands between: a wire that can be cut, a member that answers as it is told. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Server as GrpcServer, ServerCredentials, type StatusObject } from "@grpc/grpc-js";
import { METHOD_BY_PATH } from "../../../src/api/services.ts";
import { Client, type ClientOptions } from "../../../src/client/client.ts";

/** A client for the time of `body`. */
export async function withLibrary<T>(
  options: ClientOptions,
  body: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(options);
  try {
    return await body(client);
  } finally {
    client.close();
  }
}

/** Stops, continues or ends a member's process. */
export function signalTo(member: { readonly pid: number | undefined }, signal: string): void {
  if (member.pid !== undefined) process.kill(member.pid, signal);
}

/** Milliseconds that `body` took. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await body();
  return performance.now() - from;
}

/** A wire to a member: carries, swallows everything (the connections stay up), or is cut. */
export class Wire {
  readonly #server: Server;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #isHole = false;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((socket) => this.#carry(socket));
  }

  static async open(target: string): Promise<Wire> {
    const wire = new Wire(target);
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    return wire;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing comes through, in either direction, over old and new connections. */
  swallow(): void {
    this.#isHole = true;
    for (const socket of this.#sockets) socket.unpipe();
  }

  /** Carries new connections again. */
  restore(): void {
    this.#isHole = false;
    this.cut();
  }

  /** Ends all connections at once. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #carry(near: Socket): void {
    this.#keep(near);
    if (this.#isHole) return;
    const [host, port] = this.#target.split(":");
    const far = connect(Number(port), host ?? "");
    this.#keep(far);
    near.pipe(far);
    far.pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // Cut in the middle of whatever was being said.
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

export type Answer = Partial<StatusObject> | object;

/** A member that answers each unary call as it is told: with a response's fields, or a status. It counts what it was asked. */
export class ScriptedMember {
  readonly asked: string[] = [];
  readonly tokens: string[] = [];
  readonly #server = new GrpcServer();
  #port = 0;

  private constructor(script: (method: string, member: ScriptedMember) => Answer | null) {
    for (const method of METHOD_BY_PATH.values()) {
      if (method.kind !== "unary") continue;
      const { path, decodeRequest, encodeResponse } = method;
      const definition = {
        path,
        requestStream: false as const,
        responseStream: false as const,
        requestSerialize: (): Buffer => Buffer.alloc(0),
        requestDeserialize: (bytes: Buffer): unknown => decodeRequest(bytes),
        responseSerialize: (value: unknown): Buffer => Buffer.from(encodeResponse(value as never)),
        responseDeserialize: (): unknown => null,
      };
      this.#server.addService(
        { [method.name]: definition },
        {
          [method.name]: (
            call: { metadata: { get(name: string): (string | Buffer)[] } },
            answer: (error: object | null, value?: object) => void,
          ) => {
            if (method.name !== "Check") {
              this.asked.push(method.name);
              this.tokens.push((call.metadata.get("token")[0] ?? "").toString());
            }
            const said = method.name === "Check" ? { status: 1 } : script(method.name, this);
            // Null: no answer at all.
            if (said === null) return;
            if ("code" in said && said.code !== undefined) answer(said);
            else answer(null, said);
          },
        },
      );
    }
  }

  static async start(
    script: (method: string, member: ScriptedMember) => Answer | null,
  ): Promise<ScriptedMember> {
    const member = new ScriptedMember(script);
    member.#port = await new Promise<number>((resolve, reject) => {
      const secure = ServerCredentials.createInsecure();
      member.#server.bindAsync("127.0.0.1:0", secure, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return member;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Ends every connection. */
  stop(): void {
    this.#server.forceShutdown();
  }
}
