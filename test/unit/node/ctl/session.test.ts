/** `quorate ctl` at a real member, in this process: each command once. What etcdctl prints is in conformance. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Cluster } from "../../../conformance/support/cluster.ts";
import { command, type CommandOutcome } from "../command-io.ts";
import { QUICK } from "../process/support.ts";

describe("quorate ctl", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-ctl-"));
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 1, flags: QUICK });
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await cluster.stop({ keep: false });
  });

  /** A command line, split at blanks. */
  function ctl(line: string, stdin = "", signal?: AbortSignal): Promise<CommandOutcome> {
    const environment = { ETCDCTL_ENDPOINTS: cluster.member(0).endpoint };
    const words = ["ctl", ...line.split(" ").filter((word) => word !== "")];
    return command(words, { environment, stdin, ...(signal === undefined ? {} : { signal }) });
  }

  async function says(line: string, expected: string | RegExp, stdin = ""): Promise<string> {
    const { code, stdout, stderr } = await ctl(line, stdin);
    assert.equal(code, 0, `${line}: ${stderr}`);
    if (typeof expected === "string") assert.equal(stdout, expected, line);
    else assert.match(stdout, expected, line);
    return stdout;
  }

  it("puts, gets, transacts, deletes and compacts", async () => {
    await says("put apple red", "OK\n");
    await says("put apple --prev-kv", "OK\napple\nred\n", "green");
    await says("get apple", "apple\ngreen\n");
    await says("get app --prefix --print-value-only", "green\n");
    await says("get apple -w fields", /"ModRevision" : 3\n"Version" : 2\n"Value" : "green"\n/);
    await says(
      "txn",
      "SUCCESS\n\nOK\n\napple\ngreen\n",
      'ver("apple") = "2"\n\nput b 1\nget apple\n\n\n',
    );
    await says("del apple --prev-kv", "1\napple\ngreen\n");
    await says("compaction 3", "compacted revision 3\n");
  });

  it("keeps leases", async () => {
    const granted = await says("lease grant 60", /^lease [0-9a-f]{16} granted with TTL\(60s\)\n$/);
    const id = granted.split(" ")[1] ?? "";
    await says(`put held x --lease=${id}`, "OK\n");
    await says(`lease timetolive ${id} --keys`, /attached keys\(\[held\]\)\n$/);
    await says(`lease keep-alive --once ${id}`, `lease ${id} keepalived with TTL(60)\n`);
    await says("lease list", `found 1 leases\n${id}\n`);
    await says(`lease revoke ${id}`, `lease ${id} revoked\n`);
  });

  it("looks after members", async () => {
    await says("member list", /^[0-9a-f]+, started, m0, http:/);
    await says(
      "endpoint health --cluster",
      / is healthy: successfully committed proposal: took = /,
    );
    await says("endpoint status -w table", /\| {3}3\.6\.8 \| {11}3\.6\.0 \|/);
    await says("endpoint hashkv", /, \d+, \d+\n$/);
    await says("alarm list", "");
    await says("defrag", /^Finished defragmenting etcd member\[/);
    await says("version", /^quorate ctl version: /);
  });

  it("saves a snapshot whole or not at all", async () => {
    const path = join(folder, "s.db");
    await says(`snapshot save ${path}`, `Snapshot saved at ${path}\nServer version 3.6.0\n`);
    assert.equal(statSync(path).size % 512, 32, "a database and its SHA-256");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const { code } = await ctl(`snapshot save ${join(folder, "late.db")} --command-timeout=1ns`);
    assert.equal(code, 5);
    assert.deepEqual(readdirSync(folder), ["s.db"]);
  });

  it("watches until a signal comes", async () => {
    const stop = new AbortController();
    const watching = ctl("watch w --rev=1 -w json", "", stop.signal);
    const compacted = await watching;
    assert.equal(compacted.code, 5);
    assert.match(
      compacted.stderr,
      /^watch was canceled \(etcdserver: mvcc: required revision has been compacted\)\n/,
    );
    const from = (await ctl("put w 1 -w json")).stdout;
    const revision = /"revision":(\d+)/.exec(from)?.[1] ?? "";
    const second = ctl(`watch w --rev=${revision} -- sh -c env`, "", stop.signal);
    setTimeout(() => stop.abort(), 700);
    const { code, stdout } = await second;
    assert.equal(code, 0);
    assert.match(stdout, /^PUT\nw\n1\n/);
    assert.match(stdout, /^ETCD_WATCH_VALUE="1"$/m);
  });

  it("holds a lock until a signal comes, and runs a program under it", async () => {
    await says("lock mutex -- sh -c env", /^ETCD_LOCK_KEY=mutex\//m);
    const stop = new AbortController();
    const held = ctl("lock mutex", "", stop.signal);
    setTimeout(() => stop.abort(), 500);
    const { code, stdout } = await held;
    assert.equal(code, 0);
    assert.match(stdout, /^mutex\/[0-9a-f]+\n\n$/);
    await says("get mutex/ --prefix", "");
    const failing = await ctl("lock mutex false");
    assert.deepEqual([failing.code, failing.stderr], [1, "Error: exit status 1\n"]);
  });

  it("ends with etcdctl's codes", async () => {
    const cases: [string, number, RegExp][] = [
      ["get", 128, /^Error: get command needs one argument as key/],
      ["get k --rev=1", 1, /^Error: etcdserver: mvcc: required revision has been compacted\n$/],
      ["get k -w xml", 4, /^Error: unsupported output format\n$/],
      ["get k -w table", 4, /^Error: table not supported as output format\n$/],
      ["get k --bogus", 1, /^Error: unknown flag: --bogus\n$/],
      ["get k --endpoints=a%b", 128, /^Error: 'a%b' is no endpoint: write host:port or a URL\n$/],
      ["bogus", 1, /^Error: unknown command "bogus" for "quorate ctl"/],
      ["lease timetolive zz", 128, /expecting ID in Hex\n$/],
      ["txn", 3, /^Error: EOF\n$/],
      ["get k --discovery-srv=x", 128, /name the members with --endpoints\n$/],
      ["get k --cert=/nowhere.pem --key=/nowhere.key", 128, /nowhere.* cannot be read/],
      [
        "get k --endpoints=127.0.0.1:1 --command-timeout=200ms",
        1,
        /no connection to 127\.0\.0\.1:1/,
      ],
    ];
    for (const [line, code, message] of cases) {
      const outcome = await ctl(line);
      assert.equal(outcome.code, code, `${line}: ${outcome.stderr}`);
      assert.match(outcome.stderr, message, line);
    }
  });

  it("explains itself", async () => {
    await says("--help", /usage: quorate ctl[\s\S]*lease keep-alive[\s\S]*--write-out/);
    await says("lease", /^usage: quorate ctl lease COMMAND/);
    await says("get --help", /--print-value-only/);
  });

  it("goes by its own environment before etcdctl's, and by flags before both", async () => {
    const environment = { QUORATECTL_WRITE_OUT: "json", ETCDCTL_WRITE_OUT: "fields" };
    const endpoints = `--endpoints=${cluster.member(0).endpoint}`;
    const json = await command(["ctl", endpoints, "get", "k"], { environment });
    assert.match(json.stdout, /^\{"header"/);
    const simple = await command(["ctl", endpoints, "get", "k", "-w", "simple"], { environment });
    assert.equal(simple.stdout, "");
  });
});
