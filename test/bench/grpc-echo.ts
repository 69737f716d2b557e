/**
 * What the engine alone costs: one method that looks nothing up and answers a fixed RangeResponse, for etcd's `benchmark` as
 * the client. Prints its port, and on SIGINT the CPU time a request took.
 *
 *   node test/bench/grpc-echo.ts [port]
 *   benchmark --endpoints=127.0.0.1:PORT --conns=100 --clients=1000 range foo --total=200000 --consistency=s
 */
import { defaultLimits } from "../../src/grpc/limits.ts";
import { GrpcServer } from "../../src/grpc/server.ts";
import type { Method } from "../../src/grpc/service.ts";

/** RangeResponse: a header (ids, revision, term) and one pair of a 3-byte key and a 256-byte value. */
function makeReply(): Buffer {
  const header = Buffer.from(
    "08959af2c1ffd28aeb8f0110e6efd8d3a5e8bef4c001180120023a00",
    "hex",
  ).subarray(0, 26);
  const value = Buffer.alloc(256, 0x76);
  const pair = Buffer.concat([
    Buffer.from([0x0a, 3]),
    Buffer.from("foo"),
    Buffer.from([0x10, 2, 0x18, 2, 0x20, 1, 0x2a, 0x80, 0x02]),
    value,
  ]);
  const length = Buffer.from([0x80 | (pair.length & 0x7f), pair.length >>> 7]);
  return Buffer.concat([
    Buffer.from([0x0a, header.length]),
    header,
    Buffer.from([0x12]),
    length,
    pair,
    Buffer.from([0x20, 1]),
  ]);
}

const reply = makeReply();
let calls = 0;
/** At the first call: starting Node is not the engine's cost. */
let began: NodeJS.CpuUsage = process.cpuUsage();
const range: Method = {
  kind: "unary",
  handle: (call) => {
    if (calls++ === 0) began = process.cpuUsage();
    call.reply(reply);
  },
  onCancel: null,
};

const server = new GrpcServer({
  router: new Map([["/etcdserverpb.KV/Range", range]]),
  http: null,
  limits: defaultLimits,
  observer: null,
  onError: (error, where) => console.error(where, error),
});
const { port } = await server.listen(
  { host: "127.0.0.1", port: Number(process.argv[2] ?? 0) },
  null,
);
console.log(port);
process.once("SIGINT", () => {
  const { user, system } = process.cpuUsage(began);
  console.log(`${calls} calls, ${((user + system) / Math.max(calls, 1)).toFixed(2)} us CPU each`);
  process.exit(0);
});
