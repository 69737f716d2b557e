/** `quorate-operator transfer backup|restore|verify|delete`: the program that runs in Jobs. It knows nothing of Kubernetes. */
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { ObjectStore } from "../store.ts";
import { readManifest, runBackup } from "./backup.ts";
import { runDelete } from "./delete.ts";
import { TransferOptions, openStore } from "./options.ts";
import { type Described, runRestore } from "./restore.ts";
import {
  TransferError,
  type TransferResult,
  encodeResult,
  exitCodeOf,
  toFailure,
} from "./result.ts";
import { verifySnapshot, withSecondLook } from "./verify.ts";

/** What a transfer may use of its process. */
export interface TransferIo {
  /** Where the result goes; the log is a line for people each. */
  readonly print: (line: string) => void;
  readonly log: (line: string) => void;
  /** Aborted by SIGTERM: what is half done is taken back. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Call {
  readonly options: TransferOptions;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  readonly io: TransferIo;
}

const COMMANDS: Readonly<Record<string, (call: Call) => Promise<TransferResult>>> = {
  backup,
  restore,
  verify,
  delete: remove,
};
/** Beyond what a Job allows, so that the Job's own deadline, which the operator can see, comes first. */
const DEADLINE_SECONDS = 86_400;
const BUMP_REVISION = 1_000_000_000;

/** Resolves with the exit code: 0, 1, or 2 for what trying again does not mend. `args` come after "transfer". */
export async function runTransfer(args: readonly string[], io: TransferIo): Promise<number> {
  let resultFile: string | null = null;
  let result: TransferResult;
  try {
    const [name = "", ...rest] = args;
    const options = new TransferOptions(rest);
    resultFile = options.text("result");
    result = await dispatch(name, options, io);
  } catch (thrown) {
    result = toFailure(thrown);
  }
  const text = encodeResult(result);
  if (resultFile !== null) writeFileSync(resultFile, text);
  io.print(text);
  return exitCodeOf(result, args[0] ?? "");
}

async function dispatch(
  name: string,
  options: TransferOptions,
  io: TransferIo,
): Promise<TransferResult> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw new TransferError(
      "Misconfigured",
      `there is no transfer '${name}': ${Object.keys(COMMANDS).join(", ")}`,
    );
  const deadline = AbortSignal.timeout(options.count("deadline-seconds", DEADLINE_SECONDS) * 1000);
  const signal = AbortSignal.any([io.signal, deadline]);
  const store = await openStore(options);
  try {
    return await command({ options, store, signal, io });
  } catch (thrown) {
    // What was under way fails in as many ways as there are; why it was ended is what counts.
    if (io.signal.aborted) throw new TransferError("Interrupted", "the transfer was told to end");
    if (deadline.aborted)
      throw new TransferError("DeadlineExceeded", "the transfer took longer than it may");
    throw thrown;
  } finally {
    store.close();
  }
}

async function backup({ options, store, signal, io }: Call): Promise<TransferResult> {
  return await runBackup({
    store,
    path: options.text("path"),
    backup: {
      namespace: options.required("backup-namespace"),
      name: options.required("backup-name"),
      uid: options.required("backup-uid"),
    },
    cluster: options.required("cluster"),
    serverVersion: options.text("server-version"),
    compression: options.choice("compression", ["Gzip", "None"], "Gzip"),
    verify: options.has("verify"),
    source: {
      endpoints: options.required("endpoints").split(","),
      tlsDir: options.text("tls-dir"),
      passwordsFile: options.text("root-passwords"),
      policy: options.choice("source", ["PreferFollower", "Leader", "Any"], "PreferFollower"),
    },
    signal,
    now: io.now,
    log: io.log,
  });
}

async function remove({ options, store, signal, io }: Call): Promise<TransferResult> {
  return await runDelete({
    store,
    path: options.text("path"),
    name: options.required("backup-name"),
    uid: options.required("backup-uid"),
    signal,
    log: io.log,
  });
}

async function verify({ options, store, signal, io }: Call): Promise<TransferResult> {
  const began = io.now();
  const key = options.required("key");
  const read = await withSecondLook(async () => {
    const { promised } = await promisedOf(options, store, key, signal);
    return await verifySnapshot(store, key, promised, signal);
  }, io.log);
  return {
    kind: "verify",
    uri: store.uri(key),
    sizeBytes: read.sizeBytes,
    storedBytes: read.storedBytes,
    sha256: read.storedSha256,
    seconds: Math.ceil((io.now() - began) / 1000),
  };
}

async function restore({ options, store, signal, io }: Call): Promise<TransferResult> {
  const key = options.required("key");
  return await runRestore({
    store,
    key,
    describe: () => promisedOf(options, store, key, signal),
    dataDir: options.required("data-dir"),
    nonce: options.required("nonce"),
    inPlace: options.has("in-place"),
    quorate: (options.text("quorate") ?? "quorate").split(" "),
    member: {
      name: options.required("member"),
      initialCluster: options.required("initial-cluster"),
      initialClusterToken: options.required("initial-cluster-token"),
      peerUrls: options.required("peer-urls"),
      bumpRevision: options.count("bump-revision", BUMP_REVISION),
      incarnation: options.count("incarnation", 1),
    },
    signal,
    now: io.now,
    log: io.log,
  });
}

/** What is known of a stored snapshot beforehand: by who asks for it, and by its manifest where it has one. */
async function promisedOf(
  options: TransferOptions,
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<Described> {
  const sha256 = options.text("sha256");
  const folder = dirname(key);
  const manifest = folder === "." ? null : await readManifest(store, folder, signal);
  const isDescribed = manifest !== null && key === `${folder}/${manifest.file}`;
  if (!isDescribed) return { promised: { sha256, plainSha256: null }, sizeBytes: null };
  return {
    promised: { sha256: sha256 ?? manifest.storedSha256, plainSha256: manifest.sha256 },
    sizeBytes: manifest.sizeBytes,
  };
}
