/** /health, /livez and /readyz, as etcd answers them, and /ready. */
import { AlarmType } from "../src/api/gen/maintenance.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { HttpResponse } from "../src/grpc/service.ts";
import { plainQuery } from "../src/mvcc/range.ts";
import { toKey } from "../src/base/bytes.ts";
import { NO_MEMBER } from "../src/raft/types.ts";
import { linearize } from "./rpc/answer.ts";
import type { Host } from "./rpc/host.ts";

const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
const JSON_TYPE = { "content-type": "application/json" };
const CHECK_TIMEOUT_MS = 5_000;

type Check = (host: Host) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  data_corruption: async (host) => {
    if (host.machine.alarms.isRaised(AlarmType.corrupt))
      throw new Error("alarm activated: CORRUPT");
  },
  serializable_read: (host) => readHere(host),
  linearizable_read: async (host) => {
    await within(linearize(host));
    await readHere(host);
  },
  non_learner: async (host) => {
    if (host.isLearner()) throw new Error("not supported for learner");
  },
};

const LIVEZ: readonly string[] = ["serializable_read"];
const READYZ: readonly string[] = [
  "data_corruption",
  "serializable_read",
  "linearizable_read",
  "non_learner",
];

/** GET /health: alarms (but those excluded), a leader, and a read. */
export async function health(host: Host, query: URLSearchParams): Promise<HttpResponse> {
  const reason = await unhealthyReason(host, query);
  host.stats.health.onHealth(reason === "");
  return {
    status: reason === "" ? 200 : 503,
    headers: JSON_TYPE,
    body: JSON.stringify({ health: reason === "" ? "true" : "false", reason }),
  };
}

async function unhealthyReason(host: Host, query: URLSearchParams): Promise<string> {
  const excluded = new Set(query.getAll("exclude"));
  const names = [
    ["NOSPACE", AlarmType.nospace],
    ["CORRUPT", AlarmType.corrupt],
  ] as const;
  for (const [name, type] of names) {
    if (!excluded.has(name) && host.machine.alarms.isRaised(type)) return `ALARM ${name}`;
  }
  const serializable = query.get("serializable") === "true";
  if (!serializable && host.leader() === NO_MEMBER) return "RAFT NO LEADER";
  try {
    if (!serializable) await within(linearize(host));
    await readHere(host);
    return "";
  } catch (error) {
    return `RANGE ERROR:${QuorateError.from(error).message}`;
  }
}

/** GET /livez and /readyz, with `?verbose`, `?exclude=name`, and one check by its own path. */
export async function probes(
  host: Host,
  name: "livez" | "readyz",
  only: string | null,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const all = name === "livez" ? LIVEZ : READYZ;
  if (only !== null && !all.includes(only)) {
    return { status: 404, headers: TEXT, body: "404 page not found\n" };
  }
  const excluded = new Set(query.getAll("exclude"));
  const wanted = only === null ? all : [only];
  const lines: string[] = [];
  let failed = false;
  for (const each of wanted) {
    if (excluded.has(each)) {
      lines.push(`[+]${each} excluded: ok`);
      continue;
    }
    try {
      await CHECKS[each]?.(host);
      host.stats.health.onCheck(name, each, true);
      lines.push(`[+]${each} ok`);
    } catch (error) {
      failed = true;
      host.stats.health.onCheck(name, each, false);
      lines.push(`[-]${each} failed: ${QuorateError.from(error).message}`);
    }
  }
  if (failed)
    return { status: 503, headers: TEXT, body: `${lines.join("\n")}\n${name} check failed\n` };
  const body = query.has("verbose") ? `${lines.join("\n")}\n${name} check passed\n` : "ok\n";
  return { status: 200, headers: TEXT, body };
}

/**
 * GET /ready: may clients be sent here? Asks nobody else, so that a cluster without a quorum does not lose its members to whoever
 * restarts what is not ready; a member that follows a leader a moment ago counts.
 */
export async function ready(host: Host): Promise<HttpResponse> {
  const reason = await unreadyReason(host);
  return {
    status: reason === null ? 200 : 503,
    headers: TEXT,
    body: reason === null ? "ok\n" : `${reason}\n`,
  };
}

async function unreadyReason(host: Host): Promise<string | null> {
  if (host.leader() === NO_MEMBER) return "there is no leader";
  if (host.isLearner()) return "this member is a learner";
  if (host.machine.alarms.isCorrupt(host.identity.memberId)) return "alarm CORRUPT of this member";
  try {
    await readHere(host);
    return null;
  } catch (error) {
    return `a read failed: ${QuorateError.from(error).message}`;
  }
}

/** Reads as a client would; a damaged record or a closed store shows. */
async function readHere(host: Host): Promise<void> {
  await host.machine.store.range(plainQuery(toKey(Buffer.from("health")), null));
}

/** The loop gives up by itself later; whoever probes does not wait so long. */
async function within(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("context deadline exceeded")), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}
