/** grpc_server_…, as go-grpc-prometheus names them, and what etcd adds about its clients. */
import type { GrpcServer } from "../../src/grpc/server.ts";
import { STATUS_NAMES } from "../../src/api/catalogue.ts";
import type { CallStats, MethodStats } from "../call-stats.ts";
import {
  expose,
  exposeHistograms,
  exposeLabelled,
  type Exposition,
  type Labels,
  type Sample,
} from "../exposition.ts";

export interface CallParts {
  readonly calls: CallStats;
  readonly clients: GrpcServer;
}

/** One method's labels, alone and with each status: made once, since there are a thousand of them. */
interface MethodLabels {
  readonly stats: MethodStats;
  readonly own: Labels;
  readonly byStatus: readonly Labels[];
}

export function exposeCalls(exposition: Exposition, { calls, clients }: CallParts): void {
  const methods = Array.from(calls.byPath.values(), toLabels);
  exposeLabelled(
    exposition,
    "counter",
    "grpc_server_started_total",
    "Total number of RPCs started on the server.",
    () => methods.map(({ own, stats }): Sample => [own, stats.started]),
  );
  exposeLabelled(
    exposition,
    "counter",
    "grpc_server_handled_total",
    "Total number of RPCs completed on the server, regardless of success or failure.",
    () =>
      methods.flatMap(({ byStatus, stats }) =>
        byStatus.map((labels, status): Sample => [labels, stats.handled[status] ?? 0]),
      ),
  );
  if (calls.extensive) {
    exposeHistograms(
      exposition,
      "grpc_server_handling_seconds",
      "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
      () =>
        methods.flatMap(({ own, stats }) =>
          stats.handling === null ? [] : [[own, stats.handling] as const],
        ),
    );
  }
  exposeLabelled(
    exposition,
    "counter",
    "etcd_server_client_requests_total",
    "The total number of client requests per client version.",
    () => calls.clientRequests(),
  );
  expose(
    exposition,
    "counter",
    "etcd_network_client_grpc_received_bytes_total",
    "The total number of bytes received from grpc clients.",
    () => clients.counters.bytesReceived,
  );
  expose(
    exposition,
    "counter",
    "etcd_network_client_grpc_sent_bytes_total",
    "The total number of bytes sent to grpc clients.",
    () => clients.counters.bytesSent,
  );
}

function toLabels(stats: MethodStats): MethodLabels {
  const own: Labels = {
    grpc_method: stats.method,
    grpc_service: stats.service,
    grpc_type: stats.type,
  };
  const byStatus = STATUS_NAMES.map((grpc_code): Labels => ({ grpc_code, ...own }));
  return { stats, own, byStatus };
}
