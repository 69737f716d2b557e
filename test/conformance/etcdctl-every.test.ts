/** Every command of etcdctl 3.6, over mutual TLS and with authentication on, prints against us what it prints against etcd. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Step } from "./support/script.ts";
import { run, tool } from "./support/tools.ts";
import { sameAsEtcd } from "./support/twins.ts";

/** The certificate's common name is `client`, who is root; ann has a password and one range. */
const ENABLE: readonly Step[] = [
  "put before auth",
  "role add root",
  "user add root:top",
  "user grant-role root root",
  "user add client --no-password",
  "user grant-role client root",
  "auth enable",
  "auth status",
];

const USERS: readonly Step[] = [
  "role add reader",
  "role grant-permission reader read a b",
  "role grant-permission reader readwrite c --prefix",
  "role get reader",
  "role list",
  "role revoke-permission reader c --prefix",
  "user add ann:secret",
  "user grant-role ann reader",
  "user get ann --detail",
  "user list",
  { run: "user passwd ann --interactive=false", stdin: "changed\n" },
  "get a --user=ann:secret",
  "get a --user=ann:changed",
  "put a 1 --user=ann:changed",
  "user revoke-role ann reader",
  "get a --user=ann:changed",
  "user delete ann",
  "role delete reader",
];

const DATA: readonly Step[] = [
  "put a 1",
  "put b 2 --prev-kv",
  "get a",
  "get '' --prefix -w json",
  { run: "txn", stdin: 'value("a") = "1"\n\nput c 3\n\nget a\n\n' },
  { watch: "watch d", during: [{ waitMs: 500 }, "put d 4"], until: "4" },
  "del b --prev-kv",
  // Before keys are named for leases, whose ids differ.
  "endpoint hashkv",
  { run: "lease grant 600", save: { lease: /lease ([0-9a-f]+) granted/ } },
  "put leased 1 --lease=$lease",
  "lease timetolive $lease --keys",
  "lease keep-alive $lease --once",
  "lease list",
  "lease revoke $lease",
  "get leased",
  "lock door echo held",
  { watch: "elect chair ann", during: [{ waitMs: 1000 }], until: "ann" },
  {
    watch:
      "make-mirror $client0 --prefix a --dest-prefix mirrored/ --dest-cacert=$pki/ca.pem --dest-cert=$pki/client.pem --dest-key=$pki/client.key",
    during: [{ waitMs: 1500 }, "put a again", { waitMs: 500 }, "get mirrored/ --prefix"],
    until: "",
  },
  "compaction 5",
  "get a --rev=2",
];

const CLUSTER: readonly Step[] = [
  "endpoint health",
  { run: "endpoint status", pick: /$^/ },
  "endpoint status -w table",
  "member list",
  {
    run: "member add late --learner --peer-urls=https://127.0.0.1:9",
    save: { late: /Member ([0-9a-f]+) added/ },
  },
  "member promote $late",
  "member update $late --peer-urls=https://127.0.0.1:10",
  "member remove $late",
  "alarm list",
  "alarm disarm",
  { run: "defrag", pick: /Finished defragmenting etcd member\[[^\]]*\]/ },
  { run: "snapshot save $folder/taken.db", pick: /Snapshot saved at .*/ },
  "downgrade validate 3.4",
  "downgrade enable 3.4",
  "downgrade cancel",
  { run: "check datascale --load=s --auto-compact", pick: /PASS|FAIL/ },
  { run: "check perf --load=s --auto-compact", pick: /PASS: Slowest|FAIL: Slowest|PASS/ },
  "version",
  "help get",
  "completion bash",
  "auth disable",
  "auth status",
];

/** The leader, whichever it is, hands over to a member that is none. */
const HAND_OVER: readonly Step[] = [
  ...ENABLE,
  {
    run: "endpoint status --endpoints=$endpoints",
    save: { follower: /, ([0-9a-f]{8,16}), [^\n]*?B, [^\n]*?false, false, / },
    quiet: true,
  },
  "move-leader $follower --endpoints=$endpoints",
];

function wordsOf(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => {
    if (typeof step === "string") return [step];
    if ("run" in step) return [step.run];
    return "watch" in step ? [step.watch, ...wordsOf(step.during)] : [];
  });
}

describe("etcdctl over mutual TLS, with authentication on", () => {
  sameAsEtcd("every command of one member", [...ENABLE, ...USERS, ...DATA, ...CLUSTER], {
    tls: true,
  });

  sameAsEtcd("move-leader, among three", HAND_OVER, { members: 3, tls: true });

  it("no command is left out", async () => {
    const { stdout } = await run([tool("etcdctl"), "help"]);
    const listed = /COMMANDS:\n(.*?)\n\n/s.exec(stdout)?.[1] ?? "";
    const commands = listed.split("\n").map((line) => line.trim().split("\t")[0] ?? "");
    assert.ok(commands.length > 40, stdout);
    const tried = wordsOf([...ENABLE, ...USERS, ...DATA, ...CLUSTER, ...HAND_OVER]);
    const missing = commands.filter(
      (command) => !tried.some((line) => `${line} `.startsWith(`${command} `)),
    );
    assert.deepEqual(missing, []);
  });
});
