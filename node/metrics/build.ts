/** Metrics under etcd's names, so that its dashboards and alerts work as they are, and Quorate's own beside them. */
import { collectDefaultMetrics, Registry } from "prom-client";
import type { GrpcServer } from "../../src/grpc/server.ts";
import type { CallStats } from "../call-stats.ts";
import { Exposition } from "../exposition.ts";
import type { Member } from "../member.ts";
import type { ReceivedBytes } from "../peer/server.ts";
import { exposeCalls } from "./calls.ts";
import { exposeDisk } from "./disk.ts";
import { exposeNetwork } from "./network.ts";
import { exposeOwn } from "./own.ts";
import { exposeServer } from "./server.ts";
import { exposeStore } from "./store.ts";
import type { SlowRequests } from "../slow-requests.ts";

export interface MetricsParts {
  readonly member: Member;
  readonly calls: CallStats;
  readonly clients: GrpcServer;
  readonly received: ReceivedBytes;
  readonly slow: SlowRequests;
}

/** An exposition of its own: nothing is global. Process and runtime metrics are the client library's. */
export function buildMetrics(parts: MetricsParts): Exposition {
  const defaults = new Registry();
  collectDefaultMetrics({ register: defaults });
  const exposition = new Exposition(() => defaults.metrics());
  exposeServer(exposition, parts.member);
  exposeStore(exposition, parts.member);
  exposeDisk(exposition, parts.member);
  exposeCalls(exposition, parts);
  exposeNetwork(exposition, parts);
  exposeOwn(exposition, parts);
  return exposition;
}
