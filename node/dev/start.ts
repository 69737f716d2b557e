/** `npm start`: a cluster on this machine, to try things on. Data is kept between starts. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withoutScheme } from "../../src/base/urls.ts";
import { type DevPki, openDevPki } from "./pki.ts";

const CLIENT_PORT = 2379;
/** Client ports of further members, and the peer ports, follow at this distance. */
const PORT_STEP = 10_000;
const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 25_000;

interface MemberPlan {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
}

function plan(count: number, scheme: "http" | "https"): MemberPlan[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `member-${at + 1}`,
    client: `${scheme}://127.0.0.1:${CLIENT_PORT + at * PORT_STEP}`,
    peer: `${scheme}://127.0.0.1:${CLIENT_PORT + 1 + at * PORT_STEP}`,
  }));
}

function startMember(
  member: MemberPlan,
  members: readonly MemberPlan[],
  directory: string,
  flags: readonly string[],
): ChildProcess {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const log = openSync(join(directory, `${member.name}.log`), "a");
  return spawn(
    process.execPath,
    [
      ...process.execArgv,
      main,
      `--name=${member.name}`,
      `--data-dir=${join(directory, member.name)}`,
      `--listen-client-urls=${member.client}`,
      `--advertise-client-urls=${member.client}`,
      `--listen-peer-urls=${member.peer}`,
      `--initial-advertise-peer-urls=${member.peer}`,
      `--initial-cluster=${members.map((each) => `${each.name}=${each.peer}`).join(",")}`,
      `--initial-cluster-token=quorate-start-${members.length}`,
      ...flags,
    ],
    { stdio: ["ignore", log, log], detached: true },
  );
}

async function isHealthy(member: MemberPlan, pki: DevPki | null): Promise<boolean> {
  if (pki !== null) return await pki.isOk(`${member.client}/health`);
  try {
    const response = await fetch(`${member.client}/health`, { signal: AbortSignal.timeout(2_000) });
    return response.ok;
  } catch {
    return false;
  }
}

async function waitForAll(
  members: readonly MemberPlan[],
  children: readonly ChildProcess[],
  pki: DevPki | null,
): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    if (children.some((child) => child.exitCode !== null)) return false;
    const healthy = await Promise.all(members.map((member) => isHealthy(member, pki)));
    if (healthy.every(Boolean)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  const ended = children.map((child) =>
    child.exitCode === null && child.signalCode === null
      ? new Promise((resolve) => child.once("exit", resolve))
      : Promise.resolve(),
  );
  for (const child of children) child.kill("SIGTERM");
  const late = setTimeout(() => {
    for (const child of children) child.kill("SIGKILL");
  }, STOP_WITHIN_MS);
  await Promise.all(ended);
  clearTimeout(late);
}

/** Members know their own URLs, so that a cluster with TLS is not one without. */
function defaultDirectory(count: number, tls: boolean): string {
  return join(process.cwd(), ".quorate", `cluster-of-${count}${tls ? "-tls" : ""}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      members: { type: "string", default: "3" },
      "data-dir": { type: "string" },
      tls: { type: "boolean", default: false },
    },
  });
  const count = Number(values.members);
  if (![1, 3, 5].includes(count)) {
    process.stderr.write(`npm start: --members=${values.members} must be 1, 3 or 5\n`);
    process.exit(2);
  }
  const directory = values["data-dir"] ?? defaultDirectory(count, values.tls);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pki = values.tls ? openDevPki(join(directory, "pki")) : null;
  const members = plan(count, pki === null ? "http" : "https");
  const children = members.map((member) =>
    startMember(member, members, directory, pki?.memberFlags ?? []),
  );
  let stopping = false;
  const stop = (code: number): void => {
    if (stopping) return;
    stopping = true;
    process.stdout.write("\nstopping\n");
    void stopAll(children).then(() => process.exit(code));
  };
  process.on("SIGINT", () => stop(0));
  process.on("SIGTERM", () => stop(0));
  if (!(await waitForAll(members, children, pki))) {
    if (stopping) return;
    process.stderr.write(`npm start: the members did not become ready; see ${directory}/*.log\n`);
    stop(1);
    return;
  }
  for (const child of children) {
    child.once("exit", (code) => {
      if (!stopping) process.stderr.write(`a member ended with code ${code}; see ${directory}\n`);
    });
  }
  const endpoints = members.map((member) => withoutScheme(member.client)).join(",");
  process.stdout.write(
    `${count} member${count === 1 ? "" : "s"} ready, data in ${directory}\n` +
      `  endpoints: ${endpoints}\n` +
      `  try:       ${["etcdctl", `--endpoints=${endpoints}`, ...(pki?.clientFlags ?? [])].join(" ")} put greeting hello\n` +
      `Ctrl-C stops ${count === 1 ? "it" : "them"}; the data stays.\n`,
  );
}

await main();
