/** The operator's flags, each of which may also be a variable `QUORATE_OPERATOR_<NAME>`. Made once, at the start. */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { QuorateError } from "../src/base/errors.ts";
import type { LeaseTimes } from "./kube/election.ts";

export interface OperatorConfig {
  /** Null: every namespace. */
  readonly namespaces: readonly string[] | null;
  /** The operator's own. */
  readonly namespace: string;
  /** The pod, or the machine. */
  readonly instance: string;
  /** Null: there is no other operator, and no lease. */
  readonly election: {
    readonly namespace: string;
    readonly name: string;
    readonly times: LeaseTimes;
  } | null;
  /** Host null: every address, of whatever family the machine has. */
  readonly metrics: { readonly host: string | null; readonly port: number };
  readonly logLevel: string;
  /** Passes at a time, of each controller. */
  readonly workers: number;
  /** The image that this runs from, for Jobs; null where it runs from none. */
  readonly operatorImage: string | null;
  /** Of members' images, without a tag. */
  readonly repository: string;
  readonly clusterDomain: string;
  readonly kubeconfig: string | null;
  readonly context: string | null;
}

/** What the process finds beside its flags. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of /etc/resolv.conf; empty where there is none. */
  readonly resolvConf: string;
  /** The namespace that the credentials name; null where they name none. */
  readonly namespace: string | null;
}

const REPOSITORY = "ghcr.io/quorate/quorate";
const CLUSTER_DOMAIN = "cluster.local";
const LEVELS: readonly string[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** Name, default as text, and its line of the help. */
const FLAGS: readonly (readonly [string, string, string])[] = [
  ["watch-namespaces", "", "namespaces to watch, with commas between; empty: all of them"],
  ["leader-elect", "true", "work only while holding the lease"],
  ["leader-election-namespace", "", "namespace of the lease; empty: the operator's own"],
  ["leader-election-name", "quorate-operator", "name of the lease"],
  [
    "leader-election-lease-duration",
    "15s",
    "how long others wait after the last renewal that they saw",
  ],
  ["leader-election-renew-deadline", "10s", "how long a holder tries to renew before it stops"],
  ["leader-election-retry-period", "2s", "time between two tries"],
  ["metrics-host", "", "address of probes and metrics; empty: all of them"],
  ["metrics-port", "8080", "port of /livez, /readyz and /metrics"],
  ["workers", "4", "objects of a kind that are reconciled at a time"],
  [
    "image-repository",
    "",
    "members' image without a tag, where a cluster names none; empty: the operator's own",
  ],
  ["cluster-domain", "", "DNS domain of the cluster; empty: as /etc/resolv.conf says"],
  ["kubeconfig", "", "file to reach the API server with; empty: the pod's account, or KUBECONFIG"],
  ["context", "", "context of the kubeconfig; empty: its current one"],
  ["log-level", "info", LEVELS.join(", ")],
];

export function helpText(): string {
  const lines = FLAGS.map(([name, fallback, help]) => {
    const shown = fallback === "" ? "" : ` (${fallback})`;
    return `  --${name.padEnd(31)} ${help}${shown}\n`;
  });
  return [
    "quorate-operator [FLAGS]        runs Quorate clusters from custom resources\n",
    "quorate-operator transfer …     moves one backup; what its Jobs run\n\nFlags:\n",
    ...lines,
  ].join("");
}

/** What only the credentials are made of: read first, since the rest may need what they name. */
export function readCredentialFlags(
  args: readonly string[],
  env: Surroundings["env"],
): { readonly kubeconfig?: string; readonly context?: string } {
  const flag = reader(args, env);
  const [kubeconfig, context] = [flag("kubeconfig"), flag("context")];
  return { ...(kubeconfig === "" ? {} : { kubeconfig }), ...(context === "" ? {} : { context }) };
}

/** Throws a `QuorateError` ("configuration") with a sentence about the flag that is wrong. */
export function readConfig(args: readonly string[], around: Surroundings): OperatorConfig {
  const { env, resolvConf } = around;
  const flag = reader(args, env);
  const namespaces = list(flag("watch-namespaces"));
  const namespace = env["POD_NAMESPACE"] || (around.namespace ?? "default");
  const times = {
    leaseMs: duration("leader-election-lease-duration", flag),
    renewDeadlineMs: duration("leader-election-renew-deadline", flag),
    retryMs: duration("leader-election-retry-period", flag),
  };
  if (times.leaseMs <= times.renewDeadlineMs || times.renewDeadlineMs <= times.retryMs) {
    throw refuse(
      "leader-election-lease-duration",
      "must be longer than the renew deadline, and that longer than the retry period",
    );
  }
  const election = {
    namespace: flag("leader-election-namespace") || namespace,
    name: flag("leader-election-name"),
    times,
  };
  const logLevel = flag("log-level");
  if (!LEVELS.includes(logLevel)) throw refuse("log-level", `is none of ${LEVELS.join(", ")}`);
  const operatorImage = env["OPERATOR_IMAGE"] || null;
  return {
    namespaces: namespaces.length === 0 ? null : namespaces,
    namespace,
    instance: env["POD_NAME"] || hostname(),
    election: truth("leader-elect", flag) ? election : null,
    metrics: { host: flag("metrics-host") || null, port: integer("metrics-port", flag, 0, 65_535) },
    logLevel,
    workers: integer("workers", flag, 1, 100),
    operatorImage,
    repository:
      flag("image-repository") ||
      (operatorImage === null ? REPOSITORY : repositoryOf(operatorImage)),
    clusterDomain: flag("cluster-domain") || (clusterDomainOf(resolvConf) ?? CLUSTER_DOMAIN),
    kubeconfig: flag("kubeconfig") || null,
    context: flag("context") || null,
  };
}

/** Of `search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN`, as the kubelet writes it; null where it is another. */
export function clusterDomainOf(resolvConf: string): string | null {
  const words = resolvConf
    .split("\n")
    .filter((line) => /^\s*search\s/.test(line))
    .flatMap((line) => line.trim().split(/\s+/).slice(1));
  const services = words.find((word) => word.startsWith("svc."));
  return services === undefined ? null : services.slice("svc.".length).replace(/\.$/, "");
}

/** An image's name without digest and tag; a port of its registry is neither. */
export function repositoryOf(image: string): string {
  const [name = ""] = image.split("@");
  const slash = name.lastIndexOf("/");
  const colon = name.indexOf(":", slash + 1);
  return colon < 0 ? name : name.slice(0, colon);
}

type Flag = (name: string) => string;

function reader(args: readonly string[], env: Surroundings["env"]): Flag {
  const given = parse(args);
  return (name) => {
    const variable = env[`QUORATE_OPERATOR_${name.toUpperCase().replaceAll("-", "_")}`];
    const fallback = FLAGS.find(([known]) => known === name)?.[1] ?? "";
    return given[name] ?? variable ?? fallback;
  };
}

function parse(args: readonly string[]): Readonly<Record<string, string | undefined>> {
  const options = Object.fromEntries(FLAGS.map(([name]) => [name, { type: "string" as const }]));
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    throw new QuorateError(
      "configuration",
      text.replace(/\. To specify a positional.*$/s, ""),
      thrown,
    );
  }
}

function refuse(name: string, why: string): QuorateError {
  return new QuorateError("configuration", `--${name} ${why}`);
}

function list(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function truth(name: string, flag: Flag): boolean {
  const text = flag(name);
  if (text !== "true" && text !== "false") throw refuse(name, "is neither true nor false");
  return text === "true";
}

function integer(name: string, flag: Flag, least: number, most: number): number {
  const value = Number(flag(name));
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw refuse(name, `is no whole number from ${least} to ${most}`);
}

function duration(name: string, flag: Flag): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(flag(name));
  const value =
    Number(match?.[1]) * ({ ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? ""] ?? Number.NaN);
  if (value > 0) return value;
  throw refuse(name, "is no duration such as 15s");
}
