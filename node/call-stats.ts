/** Counts of gRPC calls by method and status, as plain numbers on the hot path. */
import type { CallObserver, Method, Router, Status } from "../src/grpc/service.ts";
import { GRPC_TYPE } from "../src/api/services.ts";
import { HandHistogram } from "./histogram.ts";

/** The client library's default buckets, seconds, which grpc_server_handling_seconds has. */
const HANDLING_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const STATUS_COUNT = 17;

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

export class CallStats implements CallObserver {
  readonly byPath: ReadonlyMap<string, MethodStats>;
  readonly #warnMs: number;
  readonly #onSlow: (path: string, elapsedMs: number) => void;

  constructor(
    router: Router,
    extensive: boolean,
    warnMs: number,
    onSlow: (path: string, elapsedMs: number) => void,
  ) {
    const byPath = new Map<string, MethodStats>();
    for (const [path, method] of router) {
      const [, service = "", name = ""] = path.split("/");
      byPath.set(path, {
        type: GRPC_TYPE[method.kind],
        service,
        method: name,
        started: 0,
        handled: Array.from({ length: STATUS_COUNT }, () => 0),
        handling: extensive ? new HandHistogram(HANDLING_BOUNDS) : null,
      });
    }
    this.byPath = byPath;
    this.#warnMs = warnMs;
    this.#onSlow = onSlow;
  }

  onStart(_method: Method, path: string): void {
    const stats = this.byPath.get(path);
    if (stats !== undefined) stats.started++;
  }

  onEnd(method: Method, path: string, status: Status, elapsedMs: number): void {
    const stats = this.byPath.get(path);
    if (stats === undefined) return;
    stats.handled[status] = (stats.handled[status] ?? 0) + 1;
    stats.handling?.observe(elapsedMs / 1000);
    if (elapsedMs > this.#warnMs && method.kind === "unary") this.#onSlow(path, elapsedMs);
  }
}
