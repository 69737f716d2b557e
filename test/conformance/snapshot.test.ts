/** Both ways out: a snapshot of ours is etcd's to read, restore and serve, and holds what etcd's holds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { join } from "node:path";
import { Member, commandOf, freePorts } from "./support/cluster.ts";
import { run, tool } from "./support/tools.ts";
import { withTwins } from "./support/twins.ts";

async function succeed(command: readonly string[], stdin = ""): Promise<string> {
  const { code, stdout, stderr } = await run(command, { stdin, timeoutMs: 60_000 });
  assert.equal(code, 0, `${command.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

const HISTORY: readonly (readonly string[])[] = [
  ...Array.from({ length: 30 }, (_, n) => ["put", `key-${n % 7}`, `value ${n}`]),
  ["del", "key-3"],
  ["compaction", "12"],
  ["put", "key-3", "reborn"],
];

describe("etcdctl snapshot save", () => {
  it("etcd reads, hashes, restores and serves our snapshot as it does its own", async () => {
    await withTwins({}, async (etcd, quorate) => {
      const told: string[][] = [];
      for (const cluster of [etcd, quorate]) {
        const client = [tool("etcdctl"), `--endpoints=${cluster.endpoints}`];
        for (const words of HISTORY) await succeed([...client, ...words]);
        const file = join(cluster.folder, "saved.db");
        await succeed([...client, "snapshot", "save", file]);
        // First of all: `etcdutl hashkv` writes to the file that it hashes.
        const served = await serve(cluster.folder, file);
        const status = JSON.parse(
          await succeed([tool("etcdutl"), "snapshot", "status", file, "-w", "json"]),
        ) as {
          revision: number;
        };
        const hash = await succeed([tool("etcdutl"), "hashkv", file, "--write-out", "json"]);
        told.push([`revision ${status.revision}`, hash, served]);
      }
      assert.deepEqual(told[1], told[0]);
    });
  });
});

/** Restores the file into a fresh etcd; the answer is what that serves. */
async function serve(folder: string, file: string): Promise<string> {
  const [client = 0, peer = 0] = await freePorts(2);
  const member = new Member("restored", folder, [client, peer], commandOf("etcd"));
  const initial = `restored=${member.peerUrl}`;
  await succeed([
    tool("etcdutl"),
    "snapshot",
    "restore",
    file,
    `--data-dir=${member.dataDir}`,
    "--name=restored",
    `--initial-cluster=${initial}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
  ]);
  member.start(initial, "new", ["--log-level=error"]);
  try {
    await member.awaitHealthy();
    const get = [tool("etcdctl"), `--endpoints=${member.endpoint}`, "get", "", "--prefix"];
    return await succeed([...get, "-w", "fields"]).then((text) =>
      text.replace(/^"(ClusterID|MemberID|RaftTerm)".*\n/gm, ""),
    );
  } finally {
    await member.stop("SIGKILL");
  }
}
