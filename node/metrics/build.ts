/** Metrics under etcd's names, so that its dashboards and alerts work as they are, and Quorate's own beside them. */
import { collectDefaultMetrics, Registry } from "prom-client";
import type { GrpcServer } from "../../src/grpc/server.ts";
import type { CallStats } from "../call-stats.ts";
import { Exposition } from "../exposition.ts";
import type { Member } from "../member.ts";
import type { ReceivedBytes } from "../peer/server.ts";
import { exposeCalls } from "./calls.ts";
import { exposeDisk } from "./disk.ts";
import { exposeIntegrity } from "./integrity.ts";
import { exposeNetwork } from "./network.ts";
import { exposeOwn } from "./own.ts";
import { exposeProcess } from "./process.ts";
import { exposeServer } from "./server.ts";
import { exposeStore } from "./store.ts";
import type { SlowRequests } from "../slow-requests.ts";
import { exposeTls } from "../tls/metrics.ts";
import type { MemberTls } from "../tls/open.ts";

export interface MetricsParts {
  readonly member: Member;
  readonly calls: CallStats;
  readonly clients: GrpcServer;
  readonly received: ReceivedBytes;
  readonly slow: SlowRequests;
  readonly tls: MemberTls;
}

/** An exposition of its own: nothing is global. */
export function buildMetrics(parts: MetricsParts): Exposition {
  const runtime = runtimeMetrics();
  const exposition = new Exposition(() => runtime.metrics());
  exposeServer(exposition, parts.member);
  exposeStore(exposition, parts.member);
  exposeDisk(exposition, parts.member);
  exposeCalls(exposition, parts);
  exposeNetwork(exposition, parts);
  exposeOwn(exposition, parts);
  exposeIntegrity(exposition, parts.member.integrity);
  exposeTls(exposition, parts.tls);
  exposeProcess(exposition);
  return exposition;
}

/** nodejs_…, the client library's. Its process_… count from the first scrape on: those are our own. */
function runtimeMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.startsWith("process_")) registry.removeSingleMetric(name);
  }
  return registry;
}
