/** One member as a process: what it has acknowledged outlives it, and its directory is its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { type Fields, MemberClient } from "../../../conformance/support/client.ts";
import { commandOf, freePorts, type Member } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";
import { putMany, readAll, withClient, withMembers } from "./support.ts";

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program to its end with nothing of ours in its environment. */
function runMain(args: readonly string[], environment: Record<string, string> = {}): Ended {
  const [program = "", ...first] = commandOf("quorate");
  const { status, stdout, stderr } = spawnSync(program, [...first, ...args], {
    encoding: "utf8",
    timeout: 20_000,
    cwd: tmpdir(),
    env: { PATH: process.env["PATH"] ?? "", ...environment },
  });
  return { code: status, stdout, stderr };
}

/** A fresh directory, removed when the scope ends. */
function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "quorate-process-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The flags of a member that starts alone. */
function addresses(member: Member): string[] {
  return [
    `--name=${member.name}`,
    `--data-dir=${member.dataDir}`,
    `--listen-client-urls=${member.clientUrl}`,
    `--advertise-client-urls=${member.clientUrl}`,
    `--listen-peer-urls=${member.peerUrl}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
  ];
}

describe("a member's process", () => {
  it("leads as soon as it has applied what it had committed, without an election timeout", async () => {
    await withMembers(
      1,
      ["--heartbeat-interval=2000", "--election-timeout=20000"],
      async (cluster) => {
        const member = cluster.member(0);
        const client = new MemberClient(member.endpoint);
        await putMany(client, "k", 200);
        client.close();
        await member.stop("SIGKILL");
        const before = performance.now();
        cluster.restart(member);
        await member.awaitHealthy();
        assert.ok(performance.now() - before < 15_000, "no election timeout passed");
      },
    );
  });

  it("has handed over all that a command prints before the command's process ends", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      await withClient(member, async (client) => await putMany(client, "large", 1, 500_000));
      const { code, stdout, stderr } = runMain([
        "ctl",
        `--endpoints=${member.clientUrl}`,
        "get",
        "large0",
        "--write-out=json",
      ]);
      assert.equal(code, 0, stderr);
      const { kvs } = JSON.parse(stdout) as { readonly kvs: readonly { value: string }[] };
      assert.deepEqual(
        kvs.map(({ value }) => Buffer.from(value, "base64").length),
        [500_000],
      );
    });
  });

  it("names the flag of an address that is taken, and exits 2", async () => {
    await withMembers(1, [], async (cluster) => {
      using other = scratch();
      const taken = addresses(cluster.member(0)).filter((flag) => !flag.startsWith("--data-dir"));
      const ended = runMain([...taken, `--data-dir=${other.path}/data`]);
      assert.equal(ended.code, 2);
      assert.match(ended.stderr, /--listen-peer-urls: cannot listen on .* \(EADDRINUSE\)/);
    });
  });

  it("has everything it acknowledged after a SIGKILL, leases and all", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      const client = new MemberClient(member.endpoint);
      await client.call("Lease/LeaseGrant", { ID: "77", TTL: "600" });
      await client.call("KV/Put", { key: Buffer.from("leased"), lease: "77" });
      const written = await putMany(client, "k", 500);
      written.set("leased", "");
      client.close();
      await member.stop("SIGKILL");
      cluster.restart(member);
      await member.awaitHealthy();
      await withClient(member, async (again) => {
        assert.deepEqual(await readAll(again), written);
        const lease = { ID: "77", keys: true };
        const left = (await again.call("Lease/LeaseTimeToLive", lease)) as Fields & {
          keys: Buffer[];
        };
        assert.deepEqual(left.keys.map(String), ["leased"]);
        const { header } = (await again.call("KV/Put", { key: Buffer.from("next") })) as {
          header: Fields;
        };
        assert.equal(header["revision"], "503");
      });
    });
  });

  it("compacts by itself what is older than it was told to keep, and keeps what there is", async () => {
    const flags = ["--auto-compaction-mode=periodic", "--auto-compaction-retention=1s"];
    await withMembers(1, flags, async (cluster) => {
      await withClient(cluster.member(0), async (client) => {
        const written = await putMany(client, "k", 5);
        const past = { key: Buffer.from("k0"), revision: "2" };
        await until("revision 2 is compacted", 20_000, async () => {
          const refusal = await client.call("KV/Range", past).then(() => null, String);
          if (refusal !== null) assert.match(refusal, /required revision has been compacted/);
          return refusal !== null;
        });
        assert.deepEqual(await readAll(client), written);
      });
    });
  });

  it("tells its health as etcd does, alarms included unless they are excluded", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      const get = async (path: string): Promise<readonly [number, string]> => {
        const answer = await fetch(`${member.clientUrl}${path}`);
        return [answer.status, await answer.text()];
      };
      assert.deepEqual(await get("/health"), [200, '{"health":"true","reason":""}']);
      assert.deepEqual(await get("/livez"), [200, "ok\n"]);
      assert.deepEqual(await get("/readyz"), [200, "ok\n"]);
      assert.deepEqual(await get("/livez?verbose"), [
        200,
        "[+]serializable_read ok\nlivez check passed\n",
      ]);
      assert.equal((await get("/readyz/linearizable_read"))[0], 200);
      assert.equal((await get("/livez/data_corruption"))[0], 404);
      const raise = (action: number, alarm: number): Promise<unknown> =>
        withClient(member, (client) => client.call("Maintenance/Alarm", { action, alarm }));
      await raise(1, 1);
      assert.deepEqual(await get("/health"), [503, '{"health":"false","reason":"ALARM NOSPACE"}']);
      assert.equal((await get("/health?exclude=NOSPACE"))[0], 200);
      assert.equal((await get("/readyz"))[0], 200, "a full member still serves");
      await raise(2, 1);
      await raise(1, 2);
      const [code, body] = await get("/readyz");
      assert.equal(code, 503);
      assert.match(body, /\[-\]data_corruption failed: .*CORRUPT/);
      assert.equal((await get("/readyz?exclude=data_corruption"))[0], 200);
    });
  });

  it("keeps a second process out of its directory, which then goes on unharmed", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      const [client = 0, peer = 0] = await freePorts(2);
      const second = runMain([
        `--data-dir=${member.dataDir}`,
        `--listen-client-urls=http://127.0.0.1:${client}`,
        `--advertise-client-urls=http://127.0.0.1:${client}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
      ]);
      assert.equal(second.code, 2);
      assert.match(second.stderr, /is in use by another process/);
      await withClient(member, (of) => of.call("KV/Put", { key: Buffer.from("k") }));
    });
  });
});

describe("the program", () => {
  it("ends with 2 and one line that names the flag where the configuration contradicts itself", () => {
    const refused: readonly [readonly string[], RegExp][] = [
      [["--nmae=x"], /unknown flag --nmae: did you mean --name\?/],
      [["--election-timeout=100", "--heartbeat-interval=100"], /--election-timeout=100 must be/],
      [["--listen-client-urls=http://127.0.0.1:1"], /--advertise-client-urls is required/],
    ];
    for (const [args, expected] of refused) {
      const { code, stderr, stdout } = runMain(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, expected);
      assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
      assert.equal(stdout, "");
    }
  });

  it("reads the environment, etcd's names too", () => {
    const { code, stderr } = runMain([], { ETCD_LISTEN_PEER_URLS: "ftp://x:1" });
    assert.equal(code, 2);
    assert.match(stderr, /^quorate: --listen-peer-urls: 'ftp:\/\/x:1'/);
  });

  it("prints help and version and does nothing else", () => {
    assert.match(runMain(["--version"]).stdout, /^quorate \d+\.\d+\.\d+/);
    assert.match(runMain(["--help"]).stdout, /--data-dir/);
  });

  it("refuses a directory that another product left, and does not touch it", () => {
    using directory = scratch();
    const snap = join(directory.path, "member", "snap");
    mkdirSync(snap, { recursive: true });
    mkdirSync(join(directory.path, "member", "wal"));
    writeFileSync(join(snap, "db"), "precious");
    const log = join(directory.path, "member", "wal", "0000000000000000-0000000000000000.wal");
    writeFileSync(log, "precious");
    const { code, stderr } = runMain([`--data-dir=${directory.path}`]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /snap is not Quorate's/);
    assert.equal(readFileSync(join(snap, "db"), "utf8"), "precious");
    assert.equal(readFileSync(log, "utf8"), "precious");
  });

  it("refuses a --wal-dir that holds other things, and does not touch them", () => {
    using directory = scratch();
    const home = join(directory.path, "home");
    mkdirSync(home);
    writeFileSync(join(home, "letter"), "dear");
    const flags = [`--data-dir=${join(directory.path, "data")}`, `--wal-dir=${home}`];
    const { code, stderr } = runMain(flags);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /letter is not Quorate's/);
    assert.equal(readFileSync(join(home, "letter"), "utf8"), "dear");
    assert.deepEqual(readdirSync(directory.path), ["home"]);
  });

  it("refuses a log whose data directory is gone", async () => {
    using directory = scratch();
    const wal = join(directory.path, "wal");
    await withMembers(1, [`--wal-dir=${wal}`], async (cluster) => {
      const member = cluster.member(0);
      await withClient(member, (client) => putMany(client, "k", 5));
      await member.stop("SIGKILL");
      rmSync(member.dataDir, { recursive: true });
      const first = "0000000000000001.wal";
      const { code, stderr } = runMain([...addresses(member), `--wal-dir=${wal}`]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /data directory is missing/);
      assert.ok(readdirSync(wal).includes(first), "the log is still there");
    });
  });

  it("begins a first start anew that was cut off before it had an identity", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      await member.stop("SIGKILL");
      rmSync(join(member.dataDir, "member"), { recursive: true });
      mkdirSync(join(member.dataDir, "member", "store.0"), { recursive: true });
      writeFileSync(join(member.dataDir, "member", "IDENTITY.new"), "{");
      cluster.restart(member);
      await member.awaitHealthy();
    });
  });

  it("refuses to go on without its log: the votes in it are gone, and entries it acknowledged", async () => {
    await withMembers(1, [], async (cluster) => {
      const member = cluster.member(0);
      await withClient(member, (client) => putMany(client, "k", 50));
      await member.stop("SIGTERM");
      rmSync(join(member.dataDir, "member", "wal"), { recursive: true });
      const { code, stderr } = runMain(addresses(member));
      assert.equal(code, 1, stderr);
      assert.match(stderr, /log/);
    });
  });
});
