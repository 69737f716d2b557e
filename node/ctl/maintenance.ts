/** alarm, defrag, move-leader, downgrade, version. */
import {
  AlarmAction,
  type AlarmMember,
  type AlarmResponse,
  AlarmType,
  DowngradeAction,
} from "../../src/api/gen/maintenance.ts";
import { Maintenance } from "../../src/api/gen/methods.ts";
import { QUORATE_VERSION } from "../version.ts";
import { type Context, type CtlCommand, headerFields } from "./context.ts";
import { CLUSTER_FLAG, endpointsOf } from "./endpoint.ts";
import { badArgs, Exit, messageOf } from "./exit.ts";
import { durationText, parseUint64 } from "./go-text.ts";

const ALARM_NAMES: Readonly<Record<number, string>> = {
  [AlarmType.none]: "NONE",
  [AlarmType.nospace]: "NOSPACE",
  [AlarmType.corrupt]: "CORRUPT",
};

function alarmName(alarm: number): string {
  return ALARM_NAMES[alarm] ?? String(alarm);
}

function showAlarms(ctl: Context, answer: AlarmResponse): void {
  ctl.show({
    message: ["AlarmResponse", answer],
    simple: () =>
      answer.alarms
        .map(({ memberId, alarm }) => `memberID:${memberId} alarm:${alarmName(alarm)} \n`)
        .join(""),
    fields: () =>
      (answer.header === null ? "" : headerFields(answer.header, ctl.isHex)) +
      answer.alarms
        .map(
          ({ memberId, alarm }) =>
            `"MemberID" : ${memberId.toString(ctl.isHex ? 16 : 10)}\n"AlarmType" : ${alarmName(alarm)}\n\n`,
        )
        .join(""),
  });
}

async function alarmList(ctl: Context): Promise<void> {
  if (ctl.args.length > 0) throw badArgs("alarm list command accepts no arguments");
  showAlarms(ctl, await alarms(ctl));
}

async function alarms(ctl: Context): Promise<AlarmResponse> {
  const request = { action: AlarmAction.get, memberId: 0n, alarm: AlarmType.none };
  return await (await ctl.client()).call(Maintenance.alarm, request, "read");
}

/** Ends every alarm that there is. */
async function alarmDisarm(ctl: Context): Promise<void> {
  if (ctl.args.length > 0) throw badArgs("alarm disarm command accepts no arguments");
  const active = await alarms(ctl);
  const client = await ctl.client();
  const ended: AlarmMember[] = [];
  for (const alarm of active.alarms) ended.push(...(await client.maintenance.disarm(alarm)));
  // No header: it is the answer to several questions.
  showAlarms(ctl, { header: null, alarms: ended });
}

async function defrag(ctl: Context): Promise<number> {
  let failures = 0;
  for (const endpoint of await endpointsOf(ctl)) {
    const from = performance.now();
    const took = (): string => durationText(performance.now() - from);
    try {
      const timeoutMs = ctl.flags.duration("command-timeout");
      const client = await ctl.clientOf([endpoint]);
      await client.maintenance.defragment({ endpoint, timeoutMs });
      ctl.print(`Finished defragmenting etcd member[${endpoint}]. took ${took()}\n`);
    } catch (thrown) {
      failures++;
      const why = messageOf(thrown);
      ctl.warn(`Failed to defragment etcd member[${endpoint}]. took ${took()}. (${why})`);
    }
  }
  return failures === 0 ? Exit.success : Exit.error;
}

async function moveLeader(ctl: Context): Promise<void> {
  const [text] = ctl.args;
  if (text === undefined || ctl.args.length > 1)
    throw badArgs("move-leader command needs 1 argument");
  let targetId: bigint;
  try {
    targetId = parseUint64(text, 16);
  } catch (thrown) {
    throw badArgs(messageOf(thrown));
  }
  const endpoints = ctl.flags.list("endpoints");
  for (const endpoint of endpoints) {
    const client = await ctl.clientOf([endpoint]);
    const { header, leader } = await client.maintenance.status({ endpoint });
    if (header?.memberId !== leader) continue;
    const answer = await client.call(Maintenance.moveLeader, { targetId }, "write");
    ctl.show({
      message: ["MoveLeaderResponse", answer],
      simple: () =>
        `Leadership transferred from ${leader.toString(16)} to ${targetId.toString(16)}\n`,
    });
    return;
  }
  throw badArgs(`no leader endpoint given at [${endpoints.join(" ")}]`);
}

function downgrade(action: keyof typeof DowngradeAction): CtlCommand["run"] {
  return async (ctl) => {
    const [version = "", ...more] = ctl.args;
    if (action !== "cancel") {
      if (ctl.args.length === 0) throw badArgs("TARGET_VERSION not provided");
      if (more.length > 0) throw badArgs("too many arguments");
      if (version === "") throw badArgs("target version not provided");
    }
    const request = {
      action: DowngradeAction[action],
      version: action === "cancel" ? "" : version,
    };
    const kind = action === "validate" ? "read" : "write";
    const answer = await (await ctl.client()).call(Maintenance.downgrade, request, kind);
    ctl.show({
      message: ["DowngradeResponse", answer],
      simple: () => `Downgrade ${action} success, cluster version ${answer.version}\n`,
    });
  };
}

function version(ctl: Context): Promise<void> {
  ctl.print(`quorate ctl version: ${QUORATE_VERSION}\nAPI version: 3.6\n`);
  return Promise.resolve();
}

export const ALARM_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  list: { usage: "", help: "lists the alarms", flags: [], run: alarmList },
  disarm: { usage: "", help: "ends all alarms", flags: [], run: alarmDisarm },
};

export const DOWNGRADE_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  validate: {
    usage: "VERSION",
    help: "tells whether the cluster could go back to a version",
    flags: [],
    run: downgrade("validate"),
  },
  enable: {
    usage: "VERSION",
    help: "begins the way back to a version",
    flags: [],
    run: downgrade("enable"),
  },
  cancel: { usage: "", help: "ends the way back", flags: [], run: downgrade("cancel") },
};

export const MAINTENANCE_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  defrag: {
    usage: "",
    help: "gives the space of deleted data back to the file system",
    flags: [CLUSTER_FLAG],
    run: defrag,
  },
  "move-leader": {
    usage: "MEMBER",
    help: "hands leadership to a member",
    flags: [],
    run: moveLeader,
  },
  version: { usage: "", help: "prints the version of this tool", flags: [], run: version },
};
