/** @grpc/grpc-js, which only questions to other members need: a member alone does without its six megabytes. */
import { createRequire } from "node:module";
import type * as GrpcJs from "@grpc/grpc-js";

let loaded: typeof GrpcJs | null = null;

/** Loaded by the first call, which takes tens of milliseconds of the loop: to be called early where it will be needed. */
export function grpcJs(): typeof GrpcJs {
  loaded ??= createRequire(import.meta.url)("@grpc/grpc-js") as typeof GrpcJs;
  return loaded;
}
