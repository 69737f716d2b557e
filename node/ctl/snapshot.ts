/** snapshot save: one member's database, in etcd's format, into a file that is there whole or not at all. */
import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import type { Context, CtlCommand } from "./context.ts";
import { badArgs, CtlError, Exit, fileMessage, messageOf } from "./exit.ts";

const HASH_BYTES = 32;
const OWNER_ONLY = 0o600;

async function save(ctl: Context): Promise<void> {
  const [path] = ctl.args;
  if (path === undefined || ctl.args.length > 1)
    throw badArgs("snapshot save expects one argument <filename>");
  const endpoints = ctl.flags.list("endpoints");
  try {
    if (endpoints.length !== 1) {
      const all = endpoints.join(" ");
      throw new Error(`snapshot must be requested to one selected node, not multiple [${all}]`);
    }
    const version = await download(ctl, path);
    ctl.print(`Snapshot saved at ${path}\n`);
    if (version !== "") ctl.print(`Server version ${version}\n`);
  } catch (thrown) {
    throw new CtlError(Exit.interrupted, messageOf(thrown));
  }
}

/** The storage version of what was saved. */
async function download(ctl: Context, path: string): Promise<string> {
  const part = `${path}.part`;
  const file = await open(part, "w", OWNER_ONLY).catch((thrown: unknown) => {
    throw new Error(`could not open ${part} (${fileMessage(thrown)})`);
  });
  try {
    const version = await copy(ctl, file);
    await file.sync();
    await file.close();
    await rename(part, path);
    return version;
  } catch (thrown) {
    await file.close().catch(() => {});
    await rm(part, { force: true });
    throw thrown;
  }
}

async function copy(ctl: Context, file: FileHandle): Promise<string> {
  const limited = ctl.flags.isSet("command-timeout");
  const deadline = limited ? [AbortSignal.timeout(ctl.flags.duration("command-timeout"))] : [];
  const signal = AbortSignal.any([ctl.io.signal, ...deadline]);
  const hash = createHash("sha256");
  let tail = Buffer.alloc(0);
  let version = "";
  const client = await ctl.client();
  for await (const piece of client.maintenance.snapshot({ signal })) {
    await file.writeFile(piece.bytes);
    version = piece.version;
    // The last bytes are the hash of all before them: what may still be among them is held back.
    const known = Buffer.concat([tail, piece.bytes]);
    const cut = Math.max(0, known.length - HASH_BYTES);
    hash.update(known.subarray(0, cut));
    tail = known.subarray(cut);
  }
  if (tail.length < HASH_BYTES)
    throw new Error(`sha256 checksum not found [bytes: ${tail.length}]`);
  if (!hash.digest().equals(tail))
    throw new Error("sha256 checksum does not match: the snapshot was damaged on its way");
  return version;
}

export const SNAPSHOT_COMMANDS: Readonly<Record<string, CtlCommand>> = {
  save: {
    usage: "FILE",
    help: "saves a member's database to a file",
    flags: [],
    run: save,
  },
};
