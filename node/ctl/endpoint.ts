/** endpoint health, status, hashkv, and the endpoints of --cluster. */
import {
  AlarmType,
  type HashKVResponse,
  type StatusResponse,
} from "../../src/api/gen/maintenance.ts";
import { KV, Maintenance } from "../../src/api/gen/methods.ts";
import { present } from "../../src/base/assert.ts";
import { ClientError } from "../../src/client/client.ts";
import { toRangeRequest } from "../../src/client/op.ts";
import { type Context, type CtlCommand, headerFields } from "./context.ts";
import { CtlError, Exit, messageOf } from "./exit.ts";
import type { Flag } from "./flags.ts";
import { messageJson, stringJson } from "./go-json.ts";
import { durationText, quote, sizeText } from "./go-text.ts";
import { drawTable } from "./table.ts";

export const CLUSTER_FLAG: Flag = {
  name: "cluster",
  kind: "bool",
  help: "at all members, by the addresses that they advertise",
};

/** The endpoints of the command line, or with --cluster those of all members. */
export async function endpointsOf(ctl: Context): Promise<string[]> {
  if (!ctl.flags.bool("cluster")) return ctl.flags.list("endpoints");
  try {
    const members = await (await ctl.client()).cluster.list();
    return members.flatMap(({ clientUrls }) => clientUrls);
  } catch (thrown) {
    const why = `failed to fetch endpoints from etcd cluster member list: ${messageOf(thrown)}`;
    throw new CtlError(Exit.error, why);
  }
}

interface Health {
  readonly endpoint: string;
  readonly took: string;
  /** Empty: healthy. */
  readonly error: string;
}

async function health(ctl: Context): Promise<void> {
  const endpoints = await endpointsOf(ctl);
  const found = await Promise.all(endpoints.map((endpoint) => healthOf(ctl, endpoint)));
  const good = found.filter(({ error }) => error === "");
  ctl.show({
    simple: () => {
      for (const { endpoint, error } of found) {
        if (error !== "") ctl.warn(`${endpoint} is unhealthy: failed to commit proposal: ${error}`);
      }
      return good
        .map(
          ({ endpoint, took }) =>
            `${endpoint} is healthy: successfully committed proposal: took = ${took}\n`,
        )
        .join("");
    },
    fields: () => found.map(healthFields).join(""),
    table: () =>
      drawTable(
        ["endpoint", "health", "took", "error"],
        found.map(({ endpoint, took, error }) => [endpoint, String(error === ""), took, error]),
      ),
    json: () => `[${found.map(healthJson).join(",")}]`,
  });
  if (good.length < found.length) throw new CtlError(Exit.error, "unhealthy cluster");
}

async function healthOf(ctl: Context, endpoint: string): Promise<Health> {
  const from = performance.now();
  let error = "";
  let took = "";
  try {
    const client = await ctl.clientOf([endpoint]);
    try {
      await client.call(KV.range, toRangeRequest("health"), "read");
    } catch (thrown) {
      error = messageOf(thrown);
      if (thrown instanceof ClientError && thrown.is("permissionDenied")) error = "";
    }
    took = durationText(performance.now() - from);
    if (error === "") error = await alarmsOf(client);
  } catch (thrown) {
    error = messageOf(thrown);
  }
  return { endpoint, took, error };
}

async function alarmsOf(client: Awaited<ReturnType<Context["clientOf"]>>): Promise<string> {
  try {
    const alarms = await client.maintenance.alarms();
    if (alarms.length === 0) return "";
    return `Active Alarm(s): ${alarms.map(({ alarm }) => `${alarmName(alarm)} `).join("")}`;
  } catch {
    return "Unable to fetch the alarm list";
  }
}

function alarmName(alarm: number): string {
  if (alarm === AlarmType.nospace) return "NOSPACE";
  return alarm === AlarmType.corrupt ? "CORRUPT" : "UNKNOWN";
}

function healthFields({ endpoint, took, error }: Health): string {
  return `"Endpoint" : ${quote(endpoint)}\n"Health" : ${error === ""}\n"Took" : ${took}\n"Error" : ${error}\n\n`;
}

function healthJson({ endpoint, took, error }: Health): string {
  const why = error === "" ? "" : `,"error":${stringJson(error)}`;
  return `{"endpoint":${stringJson(endpoint)},"health":${error === ""},"took":${stringJson(took)}${why}}`;
}

/** Asks each endpoint by itself; complains of those that fail, and answers the rest. */
async function askEach<T>(
  ctl: Context,
  what: string,
  ask: (client: Awaited<ReturnType<Context["clientOf"]>>) => Promise<T>,
): Promise<{ readonly found: [string, T][]; readonly error: string | null }> {
  const found: [string, T][] = [];
  let error: string | null = null;
  for (const endpoint of await endpointsOf(ctl)) {
    try {
      found.push([endpoint, await ask(await ctl.clientOf([endpoint]))]);
    } catch (thrown) {
      error = messageOf(thrown);
      ctl.warn(`Failed to get the ${what} of endpoint ${endpoint} (${error})`);
    }
  }
  return { found, error };
}

const STATUS_HEADER = [
  "endpoint",
  "ID",
  "version",
  "storage version",
  "db size",
  "in use",
  "percentage not in use",
  "quota",
  "is leader",
  "is learner",
  "raft term",
  "raft index",
  "raft applied index",
  "errors",
  "downgrade target version",
  "downgrade enabled",
];

async function status(ctl: Context): Promise<number> {
  const { found, error } = await askEach(ctl, "status", (client) =>
    client.call(Maintenance.status, {}, "local"),
  );
  const rows = found.map(([endpoint, answer]) => statusRow(endpoint, answer));
  ctl.show({
    simple: () => rows.map((row) => `${row.join(", ")}\n`).join(""),
    fields: () => found.map((each) => statusFields(...each, ctl.isHex)).join(""),
    table: () => drawTable(STATUS_HEADER, rows),
    json: () => listJson(found, "Status", "StatusResponse"),
  });
  return error === null ? Exit.success : Exit.error;
}

function listJson(found: readonly [string, object][], name: string, message: string): string {
  if (found.length === 0) return "null";
  const each = found.map(
    ([endpoint, answer]) =>
      `{"Endpoint":${stringJson(endpoint)},"${name}":${messageJson(message, answer)}}`,
  );
  return `[${each.join(",")}]`;
}

function statusRow(endpoint: string, answer: StatusResponse): string[] {
  const { memberId } = present(answer.header, "a status has a header");
  const { dbSize, dbSizeInUse } = answer;
  return [
    endpoint,
    memberId.toString(16),
    answer.version,
    answer.storageVersion,
    sizeText(dbSize),
    sizeText(dbSizeInUse),
    `${dbSize === 0 ? 0 : 100 - Math.trunc((dbSizeInUse * 100) / dbSize)}%`,
    sizeText(answer.dbSizeQuota),
    String(answer.leader === memberId),
    String(answer.isLearner),
    String(answer.raftTerm),
    String(answer.raftIndex),
    String(answer.raftAppliedIndex),
    answer.errors.join(", "),
    answer.downgradeInfo?.targetVersion ?? "",
    String(answer.downgradeInfo?.enabled ?? false),
  ];
}

function statusFields(endpoint: string, answer: StatusResponse, isHex: boolean): string {
  const lines = [
    `"Version" : ${quote(answer.version)}`,
    `"StorageVersion" : ${quote(answer.storageVersion)}`,
    `"DBSize" : ${answer.dbSize}`,
    `"DBSizeInUse" : ${answer.dbSizeInUse}`,
    `"DBSizeQuota" : ${answer.dbSizeQuota}`,
    `"Leader" : ${answer.leader}`,
    `"IsLearner" : ${answer.isLearner}`,
    `"RaftIndex" : ${answer.raftIndex}`,
    `"RaftTerm" : ${answer.raftTerm}`,
    `"RaftAppliedIndex" : ${answer.raftAppliedIndex}`,
    `"Errors" : [${answer.errors.join(" ")}]`,
    `"Endpoint" : ${quote(endpoint)}`,
    `"DowngradeTargetVersion" : ${quote(answer.downgradeInfo?.targetVersion ?? "")}`,
    `"DowngradeEnabled" : ${answer.downgradeInfo?.enabled ?? false}\n\n`,
  ];
  return headerFields(answer.header, isHex) + lines.join("\n");
}

async function hashKv(ctl: Context): Promise<void> {
  const request = { revision: ctl.flags.int("rev") };
  const { found, error } = await askEach(ctl, "hash", (client) =>
    client.call(Maintenance.hashKv, request, "local"),
  );
  const rows = found.map(([endpoint, { hash, hashRevision }]) => [
    endpoint,
    String(hash),
    String(hashRevision),
  ]);
  ctl.show({
    simple: () => rows.map((row) => `${row.join(", ")}\n`).join(""),
    fields: () => found.map((each) => hashFields(...each, ctl.isHex)).join(""),
    table: () => drawTable(["endpoint", "hash", "hash_revision"], rows),
    json: () => listJson(found, "HashKV", "HashKVResponse"),
  });
  if (error !== null) throw new CtlError(Exit.error, error);
}

function hashFields(endpoint: string, answer: HashKVResponse, isHex: boolean): string {
  const own = `"Endpoint" : ${quote(endpoint)}\n"Hash" : ${answer.hash}\n"HashRevision" : ${answer.hashRevision}\n\n`;
  return headerFields(answer.header, isHex) + own;
}

export const ENDPOINT_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  health: {
    usage: "",
    help: "tells which endpoints answer reads, and whether there are alarms",
    flags: [CLUSTER_FLAG],
    run: health,
  },
  status: {
    usage: "",
    help: "tells what each endpoint's member knows of itself",
    flags: [CLUSTER_FLAG],
    run: status,
  },
  hashkv: {
    usage: "",
    help: "prints the hash of each endpoint's history",
    flags: [CLUSTER_FLAG, { name: "rev", kind: "int", initial: "0", help: "up to this revision" }],
    run: hashKv,
  },
};
