/**
 * Measures us against etcd: the same workloads from etcd's own client, in turn, round by round. What to quote is the median
 * of the rounds' ratios, since the machine's speed drifts. Prints a Markdown table.
 *
 *   npm run bench -- [--nodes 1|3] [--rounds 3] [--only REGEXP] [--json FILE] [--a quorate] [--b etcd]
 *
 * After the plain workloads come some of them over mutual TLS, twice: etcd with its one client port, where TLS sends its gRPC
 * through the HTTP server, and with HTTP on a port of its own (--listen-client-http-urls), where it does not. `--only '^TLS'`
 * runs these alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Cluster, type Product } from "../conformance/support/cluster.ts";
import { run, tool } from "../conformance/support/tools.ts";
import { Pki } from "../conformance/support/tls.ts";
import { diskMiB, memoryMiB, processorSeconds } from "./usage.ts";
import { TLS_WORKLOADS, WORKLOADS, type Workload } from "./workloads.ts";

type Side = "a" | "b";
/** Name of a figure to the values of each side, one a round. */
type Figures = Map<string, Record<Side, number[]>>;
type Clusters = Readonly<Record<Side, Cluster>>;

/** How both sides of one comparison are set up. */
interface Setting {
  /** Before the names of its workloads. */
  readonly prefix: string;
  readonly workloads: readonly Workload[];
  readonly tls: Pki | null;
  readonly httpApart: boolean;
}

const SIDES: readonly Side[] = ["a", "b"];
const RESTARTS = 5;

interface Options {
  readonly nodes: number;
  readonly rounds: number;
  readonly only: RegExp;
  readonly json: string | null;
  readonly products: Readonly<Record<Side, Product>>;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "1" },
      rounds: { type: "string", default: "3" },
      only: { type: "string", default: "" },
      json: { type: "string" },
      a: { type: "string", default: "quorate" },
      b: { type: "string", default: "etcd" },
    },
  });
  return {
    nodes: Number(values.nodes),
    rounds: Number(values.rounds),
    only: new RegExp(values.only),
    json: values.json ?? null,
    products: { a: product(values.a), b: product(values.b) },
  };
}

function product(name: string): Product {
  if (name === "etcd" || name === "quorate") return name;
  throw new Error(`--a and --b are etcd or quorate, not ${name}`);
}

function note(figures: Figures, name: string, side: Side, value: number): void {
  const row = figures.get(name) ?? { a: [], b: [] };
  figures.set(name, row);
  row[side].push(value);
}

function pids(cluster: Cluster): number[] {
  return cluster.members.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
}

/** One run of etcd's client; throws with its output when any request failed. */
async function measure(
  cluster: Cluster,
  workload: Workload,
  words: readonly string[],
): Promise<Record<string, number>> {
  const command = [
    tool("benchmark"),
    `--endpoints=${cluster.endpoints}`,
    `--clients=${workload.clients}`,
    `--conns=${workload.connections}`,
    ...words,
    ...workload.words,
  ];
  const before = processorSeconds(pids(cluster));
  const { stdout, stderr } = await run(command, { timeoutMs: 180_000 });
  const used = processorSeconds(pids(cluster)) - before;
  const output = `${stdout}${stderr}`;
  // A workload of two phases prints two reports; the last is the one that was asked for.
  const last = (pattern: RegExp): number => Number([...output.matchAll(pattern)].at(-1)?.[1]);
  const perSecond = last(/Requests\/sec:\s+([\d.]+)/g);
  if (Number.isNaN(perSecond) || output.includes("Error distribution")) {
    throw new Error(`${command.join(" ")}\n${output.slice(-1500)}`);
  }
  return {
    "per s": perSecond,
    "mean ms": last(/Average:\s+([\d.]+)/g) * 1000,
    "p99 ms": last(/99%\s+in\s+([\d.]+)/g) * 1000,
    ...(workload.total === null ? {} : { "CPU us per request": (used * 1e6) / workload.total }),
  };
}

async function runWorkloads(
  clusters: Clusters,
  { prefix, workloads, tls }: Setting,
  options: Options,
  figures: Figures,
): Promise<void> {
  for (const workload of workloads) {
    const name = `${prefix}${workload.name}`;
    for (let round = 0; round < options.rounds; round++) {
      for (const side of SIDES) {
        try {
          const result = await measure(clusters[side], workload, tls?.clientFlags ?? []);
          for (const [figure, value] of Object.entries(result)) {
            note(figures, `${name}: ${figure}`, side, value);
          }
        } catch (thrown) {
          console.error(`${options.products[side]}: ${name}: ${String(thrown)}`);
          note(figures, `${name}: failed`, side, 1);
          process.exitCode = 1;
        }
      }
    }
    console.error(`measured: ${name}`);
  }
}

async function measureRest(clusters: Clusters, figures: Figures): Promise<void> {
  for (const side of SIDES) {
    note(figures, "memory after, MiB", side, memoryMiB(pids(clusters[side])));
    note(figures, "disk after, MiB", side, diskMiB(clusters[side].folder));
  }
  for (let round = 0; round < RESTARTS; round++) {
    for (const side of SIDES) {
      const cluster = clusters[side];
      await Promise.all(cluster.members.map((member) => member.stop("SIGKILL")));
      const began = performance.now();
      for (const member of cluster.members) cluster.restart(member);
      await cluster.awaitHealthy(120_000);
      note(figures, "restart after SIGKILL, s", side, (performance.now() - began) / 1000);
    }
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function shorten(value: number): string {
  if (Number.isNaN(value)) return "-";
  return value >= 100
    ? Math.round(value).toLocaleString("en").replaceAll(",", " ")
    : value.toFixed(2);
}

function printTable(figures: Figures, { products, nodes, rounds }: Options): void {
  console.log(
    `${nodes} member(s), ${rounds} round(s), ${cpus().length} cores shared by servers and client\n`,
  );
  console.log(`| workload: figure | ${products.a} | ${products.b} | ratio |`);
  console.log("| --- | ---: | ---: | ---: |");
  for (const [name, { a, b }] of figures) {
    const ratio = median(a.flatMap((value, at) => (b[at] === undefined ? [] : [value / b[at]])));
    console.log(`| ${name} | ${shorten(median(a))} | ${shorten(median(b))} | ${shorten(ratio)} |`);
  }
}

async function compare(setting: Setting, options: Options, figures: Figures): Promise<void> {
  const { tls, httpApart, prefix } = setting;
  const started: Cluster[] = [];
  const start = async (side: Side): Promise<Cluster> => {
    const began = performance.now();
    const cluster = await Cluster.start({
      product: options.products[side],
      members: options.nodes,
      flags: ["--log-level=error", "--quota-backend-bytes=8589934592"],
      ...(tls === null ? {} : { tls }),
      httpApart,
    });
    started.push(cluster);
    note(figures, `${prefix}start, empty, s`, side, (performance.now() - began) / 1000);
    const etcdctl = [tool("etcdctl"), `--endpoints=${cluster.endpoints}`];
    await run([...etcdctl, ...(tls?.clientFlags ?? []), "put", "foo", "x".repeat(256)]);
    return cluster;
  };
  try {
    const clusters: Clusters = { a: await start("a"), b: await start("b") };
    await runWorkloads(clusters, setting, options, figures);
    if (tls === null) await measureRest(clusters, figures);
  } finally {
    await Promise.all(started.map((cluster) => cluster.stop()));
  }
}

function settingsOf({ only }: Options, tls: Pki): Setting[] {
  const setting = (
    prefix: string,
    all: readonly Workload[],
    rest: Pick<Setting, "tls" | "httpApart">,
  ): Setting => ({
    prefix,
    workloads: all.filter(({ name }) => only.test(`${prefix}${name}`)),
    ...rest,
  });
  const overTls = WORKLOADS.filter(({ name }) => TLS_WORKLOADS.includes(name));
  return [
    setting("", WORKLOADS, { tls: null, httpApart: false }),
    setting("TLS, ", overTls, { tls, httpApart: false }),
    setting("TLS, HTTP apart, ", overTls, { tls, httpApart: true }),
  ].filter(({ workloads }) => workloads.length > 0);
}

async function main(): Promise<void> {
  const options = readOptions();
  const figures: Figures = new Map();
  const folder = mkdtempSync(join(tmpdir(), "bench-tls-"));
  try {
    for (const setting of settingsOf(options, new Pki(folder))) {
      await compare(setting, options, figures);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  printTable(figures, options);
  if (options.json !== null)
    writeFileSync(options.json, JSON.stringify(Object.fromEntries(figures), null, 1));
}

await main();
