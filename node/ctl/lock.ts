/** lock and elect: held until a signal comes, or for as long as a command runs. */
import { spawn } from "node:child_process";
import { KV } from "../../src/api/gen/methods.ts";
import type { Client } from "../../src/client/client.ts";
import { toRangeRequest } from "../../src/client/op.ts";
import type { Context, CtlCommand } from "./context.ts";
import { badArgs, CtlError, Exit } from "./exit.ts";
import { showRange } from "./kv.ts";

/** What elect asks for itself, as etcd's library does. */
const ELECT_TTL_SECONDS = 60;

async function lock(ctl: Context): Promise<number> {
  const [name, program, ...args] = ctl.args;
  if (name === undefined)
    throw badArgs("lock takes a lock name argument and an optional command to execute");
  const client = await ctl.client();
  const { signal } = ctl.io;
  const held = await client.lock(name, { ttl: ctl.flags.int("ttl"), signal });
  if (program !== undefined) {
    const environment = { ETCD_LOCK_KEY: held.key, ETCD_LOCK_REV: String(held.revision) };
    const code = await runProgram(ctl, [program, ...args], environment).finally(() =>
      held.unlock(),
    );
    if (code !== 0) throw new CtlError(code, `exit status ${code}`);
    return Exit.success;
  }
  await showKey(ctl, client, held.key, "lock lost on init");
  await ended(signal, held.lost);
  if (!signal.aborted) throw new CtlError(Exit.error, "session expired");
  await held.unlock();
  return Exit.success;
}

async function showKey(ctl: Context, client: Client, key: string, missing: string): Promise<void> {
  const answer = await client.call(KV.range, toRangeRequest(key), "read");
  if (answer.kvs.length === 0) throw new CtlError(Exit.error, missing);
  showRange(ctl, answer);
}

/** Resolves when either is aborted. */
function ended(a: AbortSignal, b: AbortSignal): Promise<void> {
  const both = AbortSignal.any([a, b]);
  return new Promise((resolve) => {
    if (both.aborted) resolve();
    both.addEventListener("abort", () => resolve(), { once: true });
    // A pending promise alone keeps no process alive.
    const alive = setInterval(() => {
      if (both.aborted) clearInterval(alive);
    }, 1_000);
    both.addEventListener("abort", () => clearInterval(alive), { once: true });
  });
}

/** The program's exit code; 1 where a signal ended it. Its output is ours. */
export function runProgram(
  ctl: Context,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const [program = "", ...args] = command;
  const env = { ...environment, ...ctl.io.environment };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    child.stdout.on("data", (chunk: Buffer) => ctl.io.stdout.write(chunk));
    child.stderr.on("data", (chunk: Buffer) => ctl.io.stderr.write(chunk));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "executable file not found in $PATH" : error.message;
      reject(new CtlError(Exit.error, `exec: "${program}": ${why}`));
    });
    child.on("close", (code) => resolve(code ?? Exit.error));
  });
}

async function elect(ctl: Context): Promise<number> {
  const [name, proposal] = ctl.args;
  if (name === undefined || ctl.args.length > 2) {
    throw badArgs("elect takes one election name argument and an optional proposal argument");
  }
  const isListener = ctl.flags.bool("listen");
  if (proposal === undefined && !isListener) throw badArgs("no proposal argument but -l not set");
  if (proposal !== undefined && isListener) throw badArgs("proposal given but -l is set");
  const client = await ctl.client();
  if (proposal === undefined) await observe(ctl, client, name);
  else await campaign(ctl, client, name, proposal);
  return Exit.success;
}

async function observe(ctl: Context, client: Client, name: string): Promise<void> {
  const { signal } = ctl.io;
  for await (const { key } of client.election(name).observe({ signal })) {
    const answer = await client.call(KV.range, toRangeRequest(key), "read");
    if (answer.kvs.length > 0) showRange(ctl, answer);
  }
  if (!signal.aborted) throw new CtlError(Exit.error, "elect: observer lost");
}

async function campaign(
  ctl: Context,
  client: Client,
  name: string,
  proposal: string,
): Promise<void> {
  const { signal } = ctl.io;
  const election = client.election(name, { ttl: ELECT_TTL_SECONDS });
  const leadership = await election.campaign(proposal, { signal });
  await showKey(ctl, client, leadership.key, "elect: session expired");
  await ended(signal, leadership.lost);
  if (!signal.aborted) throw new CtlError(Exit.error, "elect: session expired");
  await leadership.resign();
}

export const LOCK_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  lock: {
    usage: "NAME [-- PROGRAM ARGUMENTS]",
    help: "holds a lock until a signal comes, or while a program runs",
    flags: [
      { name: "ttl", kind: "int", initial: "10", help: "seconds until a vanished holder loses it" },
    ],
    run: lock,
  },
  elect: {
    usage: "NAME [PROPOSAL]",
    help: "stands for election, or with --listen tells who leads",
    flags: [{ name: "listen", short: "l", kind: "bool", help: "only look" }],
    run: elect,
  },
};
