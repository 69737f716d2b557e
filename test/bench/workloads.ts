/** The workloads: etcd's own `benchmark` client with 16-byte keys and, where not said otherwise, 256-byte values. */

export interface Workload {
  readonly name: string;
  readonly clients: number;
  readonly connections: number;
  readonly words: readonly string[];
  /** Requests in all, for the processor time per request; null where the client does not count so. */
  readonly total: number | null;
}

function put(total: number, valueBytes = 256): string[] {
  const keys = ["--sequential-keys", "--key-space-size=100000", "--key-size=16"];
  return ["put", ...keys, `--val-size=${valueBytes}`, `--total=${total}`];
}

function workload(
  name: string,
  clients: number,
  connections: number,
  words: readonly string[],
): Workload {
  const total = words.find((word) => word.startsWith("--total="))?.slice("--total=".length);
  return { name, clients, connections, words, total: total === undefined ? null : Number(total) };
}

const linearizable = (total: number): string[] => [
  "range",
  "foo",
  "--consistency=l",
  `--total=${total}`,
];

/** Over TLS too: a lone client, many, and reads, where records cost most in proportion. */
export const TLS_WORKLOADS: readonly string[] = [
  "put, 1 client",
  "put, 100 clients",
  "put, 1000 clients",
  "range lin., 100 clients",
  "range serial., 1000 clients",
];

export const WORKLOADS: readonly Workload[] = [
  workload("put, 1 client", 1, 1, put(3000)),
  workload("put, 100 clients", 100, 10, put(40_000)),
  workload("put, 1000 clients", 1000, 100, put(60_000)),
  workload("put 4 KiB, 100 clients", 100, 10, put(15_000, 4096)),
  workload("range lin., 1 client", 1, 1, linearizable(6000)),
  workload("range lin., 100 clients", 100, 10, linearizable(60_000)),
  workload("range serial., 1000 clients", 1000, 100, [
    "range",
    "foo",
    "--consistency=s",
    "--total=80000",
  ]),
  workload("txn of 4 puts, 100 clients", 100, 10, [
    "txn-put",
    "--txn-ops=4",
    "--key-space-size=10000",
    "--total=15000",
  ]),
  workload("lease keepalive, 100 clients", 100, 10, ["lease-keepalive", "--total=40000"]),
  workload("watch, 100 streams of 100", 1, 1, [
    "watch",
    "--streams=100",
    "--watch-per-stream=100",
    "--watched-key-total=1000",
    "--put-total=1000",
    "--put-rate=1000",
  ]),
];
