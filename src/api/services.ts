/** Where an RPC is found: by its full path, and by its path in the JSON gateway. */
import { METHODS } from "./gen/methods.ts";
import type { AnyMethod } from "./method.ts";

/** `/package.Service/Method` -> method. */
export const METHOD_BY_PATH: ReadonlyMap<string, AnyMethod> = new Map(
  METHODS.map((method) => [method.path, method]),
);

/** `/v3/kv/range` -> method. */
export const METHOD_BY_REST: ReadonlyMap<string, AnyMethod> = new Map(
  METHODS.flatMap((method) => method.rest.map((path): [string, AnyMethod] => [path, method])),
);

/** Labels of etcd's and Prometheus' gRPC metrics. */
export const GRPC_TYPE: Readonly<Record<AnyMethod["kind"], string>> = {
  unary: "unary",
  serverStream: "server_stream",
  bidiStream: "bidi_stream",
};
