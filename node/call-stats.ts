/** Counts of gRPC calls by method and status, as plain numbers on the hot path. */
import { STATUS_NAMES } from "../src/api/catalogue.ts";
import type { CallObserver, Method, Router, ServerCall, Status } from "../src/grpc/service.ts";
import { GRPC_TYPE } from "../src/api/services.ts";
import type { Sample } from "./exposition.ts";
import { HandHistogram } from "./histogram.ts";

/** The client library's default buckets, seconds, which grpc_server_handling_seconds has. */
const HANDLING_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Whoever sends more different versions than this is counted under OTHER_VERSION: they are the client's words. */
const CLIENT_VERSIONS_MAX = 32;
const OTHER_VERSION = "other";
/** As etcd names a client that does not say. */
const UNKNOWN_VERSION = "unknown";

export interface MethodStats {
  /** As the metric names it: unary, server_stream or bidi_stream. */
  readonly type: string;
  readonly service: string;
  readonly method: string;
  started: number;
  /** By status code. */
  readonly handled: number[];
  /** Null unless --metrics=extensive. */
  readonly handling: HandHistogram | null;
}

/** Calls of clients of one API version. */
interface VersionStats {
  readonly version: string;
  unary: number;
  stream: number;
}

/** A unary call that took longer than the limit, with all that was noted of it. `call` is null where it is not known. */
export type OnSlowCall = (
  path: string,
  status: Status,
  elapsedMs: number,
  call: ServerCall | null,
) => void;

export class CallStats implements CallObserver {
  readonly byPath: ReadonlyMap<string, MethodStats>;
  /** Whether the time of each call is kept. */
  readonly extensive: boolean;
  readonly #warnMs: number;
  readonly #onSlow: OnSlowCall;
  readonly #versions = new Map<string, VersionStats>();
  /** That of the last call: most clients are of one version. */
  #version: VersionStats;

  constructor(router: Router, extensive: boolean, warnMs: number, onSlow: OnSlowCall) {
    const byPath = new Map<string, MethodStats>();
    for (const [path, method] of router) {
      const [, service = "", name = ""] = path.split("/");
      byPath.set(path, {
        type: GRPC_TYPE[method.kind],
        service,
        method: name,
        started: 0,
        handled: Array.from({ length: STATUS_NAMES.length }, () => 0),
        handling: extensive ? new HandHistogram(HANDLING_BOUNDS) : null,
      });
    }
    this.byPath = byPath;
    this.extensive = extensive;
    this.#warnMs = warnMs;
    this.#onSlow = onSlow;
    this.#version = this.#versionOf(UNKNOWN_VERSION);
  }

  onStart(method: Method, path: string, call?: ServerCall): void {
    const stats = this.byPath.get(path);
    if (stats === undefined) return;
    stats.started++;
    const version = call?.header("client-api-version") ?? UNKNOWN_VERSION;
    if (version !== this.#version.version) this.#version = this.#versionOf(version);
    if (method.kind === "unary") this.#version.unary++;
    else this.#version.stream++;
  }

  onEnd(method: Method, path: string, status: Status, elapsedMs: number, call?: ServerCall): void {
    const stats = this.byPath.get(path);
    if (stats === undefined) return;
    stats.handled[status] = (stats.handled[status] ?? 0) + 1;
    stats.handling?.observe(elapsedMs / 1000);
    if (elapsedMs > this.#warnMs && method.kind === "unary") {
      this.#onSlow(path, status, elapsedMs, call ?? null);
    }
  }

  /** By the version that clients say they speak, and by kind of call; those that never happened are left out. */
  clientRequests(): Sample[] {
    const samples: Sample[] = [];
    for (const { version, unary, stream } of this.#versions.values()) {
      if (unary > 0) samples.push([{ client_api_version: version, type: "unary" }, unary]);
      if (stream > 0) samples.push([{ client_api_version: version, type: "stream" }, stream]);
    }
    return samples;
  }

  #versionOf(version: string): VersionStats {
    const known = this.#versions.get(version);
    if (known !== undefined) return known;
    if (this.#versions.size >= CLIENT_VERSIONS_MAX && version !== OTHER_VERSION) {
      return this.#versionOf(OTHER_VERSION);
    }
    const stats: VersionStats = { version, unary: 0, stream: 0 };
    this.#versions.set(version, stats);
    return stats;
  }
}
