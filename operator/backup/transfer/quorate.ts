/** The program of the members, as a child: it alone knows how a data directory is made. */
import { spawn } from "node:child_process";
import { TransferError } from "./result.ts";

/** Who the restored member is; all of it as the member's own flags will say. */
export interface RestoredMember {
  readonly name: string;
  /** Names the member alone: a restored cluster begins as one, and the others join. */
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly peerUrls: string;
  /** So many revisions after the snapshot's last is where the cluster goes on, so that no watcher sees time go back. */
  readonly bumpRevision: number;
  /** Of the cluster: what its fence says. */
  readonly incarnation: number;
}

export interface BuiltMember {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: number;
}

/** Of its error output, that is told. */
const ERROR_CHARACTERS = 2_000;
const EXIT_USAGE = 2;

/** Makes `dataDir`, or leaves nothing of it. */
export async function restoreMember(
  quorate: readonly string[],
  file: string,
  dataDir: string,
  member: RestoredMember,
  signal: AbortSignal,
): Promise<BuiltMember> {
  const bump = member.bumpRevision > 0;
  const [program = "", ...first] = quorate;
  const args = [
    ...first,
    "snapshot",
    "restore",
    file,
    "--write-out=json",
    `--data-dir=${dataDir}`,
    `--name=${member.name}`,
    `--initial-cluster=${member.initialCluster}`,
    `--initial-cluster-token=${member.initialClusterToken}`,
    `--initial-advertise-peer-urls=${member.peerUrls}`,
    `--incarnation=${member.incarnation}`,
    ...(bump ? [`--bump-revision=${member.bumpRevision}`, "--mark-compacted"] : []),
  ];
  const { code, stdout, stderr } = await run(program, args, signal);
  if (code !== 0) {
    const text = stderr.trim().slice(-ERROR_CHARACTERS);
    const reason = code === EXIT_USAGE ? "Misconfigured" : "SnapshotDamaged";
    throw new TransferError(reason, `quorate snapshot restore: ${text || `ended with ${code}`}`);
  }
  return toBuilt(stdout);
}

function toBuilt(stdout: string): BuiltMember {
  const parsed = JSON.parse(stdout) as Partial<BuiltMember>;
  const { clusterId, memberId, revision } = parsed;
  if (clusterId === undefined || memberId === undefined || revision === undefined)
    throw new TransferError("Failed", `quorate snapshot restore answered ${stdout}`);
  return { clusterId, memberId, revision };
}

interface Finished {
  /** Null: ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Finished> {
  signal.throwIfAborted();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("close", resolve);
      child.on("error", (error) =>
        reject(new TransferError("Misconfigured", `${program} cannot be run: ${error.message}`)),
      );
    });
    signal.throwIfAborted();
    return { code, stdout, stderr };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
