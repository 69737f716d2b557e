/** A server with one method of each kind, and a record of what its handlers were told. */
import type { TlsOptions } from "node:tls";
import { readUint32 } from "../../../../src/grpc/frame.ts";
import type { TlsTerms } from "../../../../src/grpc/tls.ts";
import { defaultLimits } from "../../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../../src/grpc/server.ts";
import {
  Status,
  type CallObserver,
  type Limits,
  type Method,
  type ServerCall,
} from "../../../../src/grpc/service.ts";

export interface EchoServer {
  readonly server: GrpcServer;
  readonly port: number;
  /** "cancel", "close", "end STATUS" and so on, in order. */
  readonly events: string[];
  readonly errors: unknown[];
  /** Calls of /t.T/Hold, which nobody answers but the test. */
  readonly held: ServerCall[];
}

export const PART: Buffer = Buffer.alloc(10_000, 7);

function methods(events: string[], held: ServerCall[]): Map<string, Method> {
  return new Map<string, Method>([
    [
      "/t.T/Echo",
      { kind: "unary", handle: (call, message) => call.reply(message), onCancel: null },
    ],
    [
      "/t.T/Hold",
      {
        kind: "unary",
        handle: (call) => void held.push(call),
        onCancel: () => void events.push("cancel"),
      },
    ],
    ["/t.T/Stuck", { kind: "unary", handle: (call) => void held.push(call), onCancel: null }],
    [
      "/t.T/Fail",
      {
        kind: "unary",
        handle: (call) => call.end(Status.failedPrecondition, "not 100 % fine: ä"),
        onCancel: null,
      },
    ],
    [
      "/t.T/Throw",
      {
        kind: "unary",
        handle: () => {
          throw new Error("a bug");
        },
        onCancel: null,
      },
    ],
    [
      "/t.T/Meta",
      {
        kind: "unary",
        handle: (call) =>
          call.reply(Buffer.from(`${call.header("token")}|${call.header("x-bin")}`)),
        onCancel: null,
      },
    ],
    [
      "/t.T/Parts",
      {
        kind: "unary",
        handle: (call, message) => {
          const count = readUint32(message, 0);
          let left = count;
          call.replyParts(count * PART.length, () => (left-- > 0 ? PART : null));
        },
        onCancel: null,
      },
    ],
    [
      "/t.T/Count",
      {
        kind: "serverStream",
        open: (call) => ({
          onMessage: (message) => {
            for (let at = 0; at < (message[0] ?? 0); at++) call.send(Buffer.from([at]));
          },
          onHalfClose: () => call.end(Status.ok, ""),
          onClose: () => void events.push("close"),
        }),
      },
    ],
    [
      "/t.T/Chat",
      {
        kind: "bidiStream",
        open: (call) => ({
          onMessage: (message) => call.send(message),
          onHalfClose: () => call.end(Status.ok, ""),
          onClose: () => void events.push("close"),
        }),
      },
    ],
  ]);
}

export async function startEcho(
  limits: Partial<Limits> = {},
  tls: (TlsOptions & Partial<Omit<TlsTerms, "options">>) | null = null,
): Promise<EchoServer> {
  const events: string[] = [];
  const errors: unknown[] = [];
  const held: ServerCall[] = [];
  const observer: CallObserver = {
    onStart: () => {},
    onEnd: (_method, _path, status, elapsedMs) => {
      if (!(elapsedMs >= 0)) errors.push(new Error("a negative duration"));
      events.push(`end ${status}`);
    },
  };
  const server = new GrpcServer({
    router: methods(events, held),
    http: (request, respond) => {
      if (request.target === "/whoami") {
        const name = request.certificate?.subject.CN ?? "nobody";
        respond({ status: 200, headers: {}, body: String(name) });
      } else if (request.target === "/missing")
        respond({ status: 404, headers: { "content-type": "text/plain" }, body: "no\n" });
      else
        respond({
          status: 200,
          headers: { "content-type": "text/plain" },
          body: `${request.method} ${request.target} ${request.body.length}`,
        });
    },
    limits: { ...defaultLimits, ...limits },
    observer,
    onError: (error) => errors.push(error),
  });
  const terms: TlsTerms | null =
    tls === null
      ? null
      : {
          options: tls,
          judge: null,
          onRefused: null,
          plaintextToo: false,
          onPlaintext: null,
          ...tls,
        };
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, terms);
  return { server, port, events, errors, held };
}
