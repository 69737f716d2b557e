/** `quorate ctl` beside etcdctl: the same commands at the same server, the same output and exit codes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QUORATE_CTL, sameAsEtcdctl } from "./support/ctl.ts";
import { type Step, formats, splitWords } from "./support/script.ts";
import { run, tool } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";

const ALL = (command: string): Step[] => formats(command, "table");
const txn = (stdin: string, flags = ""): Step => ({ run: `txn ${flags}`, stdin });

describe("quorate ctl", () => {
  sameAsEtcdctl("put, get and del, with every flag, in every format", [
    ...ALL("put apple red"),
    ...ALL("put apple green --prev-kv"),
    { run: "put banana", stdin: "from standard input\n" },
    { run: "put banana", stdin: "" },
    "put cherry 'a b'",
    "put date --ignore-value",
    "put apple --ignore-value --prev-kv",
    "put apple x --ignore-value",
    "put apple x --ignore-lease",
    "put apple x --lease=zz",
    "put apple x --lease=7b",
    "put",
    ...ALL("get apple"),
    ...ALL("get '' --prefix"),
    ...ALL("get nothing"),
    ...ALL("get '' --prefix --count-only"),
    ...ALL("get '' --prefix --keys-only"),
    ...ALL("get b --from-key --limit=1"),
    "get '' --prefix --print-value-only",
    "get '' --prefix --print-value-only -w json",
    "get '' --prefix --hex",
    "get '' --prefix --hex -w fields",
    "get '' --prefix --hex -w json",
    ...["CREATE", "key", "MODIFY", "VALUE", "VERSION"].flatMap((by) => [
      `get '' --prefix --sort-by=${by} --order=DESCEND`,
      `get '' --prefix --sort-by ${by} --order ascend --limit 2`,
    ]),
    "get '' --prefix --sort-by=SIZE",
    "get '' --prefix --order=UP",
    "get b d",
    "get d b",
    "get '' b",
    "get apple --rev=2",
    "get apple --rev=100",
    "get apple --consistency=s",
    "get apple --consistency=x",
    "get '' --prefix --min-mod-rev=4 --max-create-rev=6",
    "get '' --prefix --min-mod-rev=9 --max-mod-rev=6",
    "get '' --prefix --min-create-rev=9 --max-create-rev=6",
    "get a b --prefix",
    "get a --prefix --from-key",
    "get a --keys-only --count-only",
    "get",
    "get a -w xml",
    "get a --limit=x",
    "get a --hex=maybe",
    "get a --bogus",
    "get a -z",
    "get a --rev",
    "get a --command-timeout=5",
    "ge apple",
    "bogus",
    "del nothing",
    ...ALL("del apple --prev-kv"),
    "del banana --prev-kv -w json",
    "put x 1",
    "del c d --range --prev-kv",
    "del d --prefix -w fields",
    "del a --prefix --from-key",
    "del a b --prefix",
    "del a b c",
    "del",
    "del x --from-key",
    "get '' --prefix",
  ]);

  sameAsEtcdctl("bytes that are no text, and text that is not ASCII", [
    "put 'schlüssel 漢字' 'wert \u0301 😀 \u200b'",
    ...ALL("get '' --prefix"),
    "get '' --prefix --hex",
    txn(
      '\nput "\\x00\\xff\\n" "tab\\tquote\\"back\\\\slash \\u00e9 \\a"\nget "\\x00\\xff\\n"\n\n\n',
    ),
    ...ALL("get '' --prefix"),
    "get '' --prefix --hex -w fields",
  ]);

  sameAsEtcdctl("txn: comparisons, branches, and what is malformed", [
    "put k v",
    "put k w",
    ...["=", "!=", "<", ">"].flatMap((op) => [
      txn(`version("k") ${op} "2"\n\nget k\n\nput no 1\n\n`),
      txn(`mod("k") ${op} "3"\n\nget k\n\nget no\n\n`),
      txn(`create("k") ${op} "2"\n\nget k\n\nget no\n\n`),
      txn(`value("k") ${op} "w"\n\nget k\n\nget no\n\n`),
    ]),
    txn('ver("k") = "2"\nc("k") = "2"\nm("k") = "3"\nval("k") = "w"\n\nget k\n\n\n'),
    ...["simple", "json", "fields", "table"].map((format) =>
      txn(
        "\nput b 2\nget b\ndel b --prev-kv\nput b 3 --prev-kv\nget '' --prefix\n\n\n",
        `-w ${format}`,
      ),
    ),
    txn('value("b") = "3"\n\nput b 4\n\nput b 5\n\n', "--interactive"),
    txn("nonsense\n\nget a\n\n\n"),
    txn("mod(k) = 1\n\nget a\n\n\n"),
    txn('mod("k") = 1\n\nget a\n\n\n'),
    txn('mod("k") = "x"\n\nget a\n\n\n'),
    txn('size("k") = "1"\n\nget a\n\n\n'),
    txn("\nmove a b\n\n\n"),
    txn("\nget\n\n\n"),
    txn("\nget a --bogus\n\n\n"),
    txn("\nput a 1\nput a 2\n\n\n"),
    txn("\nget a"),
    "txn more",
  ]);

  sameAsEtcdctl("leases", [
    { run: "lease grant 100", save: { a: /lease (\w+)/ } },
    ...formats("lease grant 200"),
    "lease grant",
    "lease grant x",
    "lease grant 99999999999",
    "put held 1 --lease=$a",
    "put also 1 --lease=$a",
    ...["simple", "json", "fields", "table"].flatMap((format) => [
      `lease timetolive $a -w ${format}`,
      `lease timetolive $a --keys -w ${format}`,
      `lease keep-alive --once $a -w ${format}`,
    ]),
    { run: "lease list", pick: /found \d+ leases/ },
    { run: "lease list -w fields", pick: /"RaftTerm" : \d+/ },
    "get held -w json",
    "get held -w fields --hex",
    ...formats("lease revoke $a"),
    "get held",
    "lease timetolive $a",
    "lease timetolive $a -w json",
    "lease keep-alive --once $a",
    "lease keep-alive $a",
    "lease revoke $a",
    "lease revoke zz",
    "lease revoke",
    "lease timetolive",
    "lease keep-alive",
  ]);

  sameAsEtcdctl("members, endpoints, alarms and maintenance", [
    ...["simple", "json", "fields", "table"].flatMap((format) => [
      { run: `member list -w ${format}`, sorted: format === "simple" } satisfies Step,
      `endpoint health -w ${format}`,
      `endpoint hashkv -w ${format}`,
      { run: `endpoint status -w ${format}`, pick: /3\.6\.8/ } satisfies Step,
    ]),
    "member list --hex -w json",
    "member list --hex -w fields",
    "member list --consistency=s",
    "endpoint health --cluster",
    "endpoint hashkv --cluster --rev=1",
    "endpoint hashkv --rev=100",
    {
      run: "member add m9 --learner --peer-urls=http://127.0.0.1:1",
      save: { id: /Member +(\w+)/ },
    },
    "member add m9 --peer-urls=http://127.0.0.1:1",
    "member add",
    "member add m9",
    "member add m9 http://127.0.0.1:1",
    { run: "member list -w json", sorted: true },
    "member update $id --peer-urls=http://127.0.0.1:2",
    "member update $id",
    "member update zz --peer-urls=x",
    "member promote $id",
    "member remove $id",
    "member remove $id",
    "member remove zz",
    "member remove",
    "move-leader zz",
    "move-leader 1",
    "move-leader",
    ...formats("alarm list"),
    "alarm disarm",
    "alarm disarm -w json",
    "alarm list more",
    "put a 1",
    "put a 2",
    "compaction 2",
    "compaction 2",
    "compaction 100",
    "compaction x",
    "compaction",
    "compaction 3 --physical",
    "get a --rev=1",
    { run: "defrag", pick: /Finished defragmenting etcd member\[[^\]]*\]/ },
    { run: "defrag --cluster", pick: /Finished defragmenting etcd member\[[^\]]*\]/ },
    "downgrade validate",
    "downgrade validate x",
    "snapshot save",
    "snapshot save a b",
    "snapshot save /nowhere/at/all",
    { run: "snapshot save /dev/shm/quorate-ctl-test.db" },
  ]);

  sameAsEtcdctl("watch", [
    "put w 1",
    ...["simple", "json", "fields"].map((format): Step => ({
      watch: `watch w --rev=2 --prev-kv -w ${format}`,
      during: ["put w 2", "del w", "put w 3"],
      until: format === "json" ? "Mw==" : "3\n",
    })),
    { watch: "watch '' --prefix --rev=12", during: ["put p 4", "put q 5"], until: "q\n5" },
    { watch: "watch p r --hex --rev=14", during: ["put q 6"], until: "\\x36" },
    {
      watch: "watch w --rev=15 -- sh -c 'env | grep ^ETCD_WATCH | grep -v REVISION | sort'",
      during: ["put w last"],
      until: 'VALUE="last"',
    },
    {
      watch: "watch -i",
      stdin: "watch w --rev=2\nbogus\n",
      during: ["put w later"],
      until: "later",
    },
    "compaction 8",
    { run: "watch w --rev=2" },
    { run: "watch" },
    { run: "watch a b --prefix" },
    { run: "watch a --" },
  ]);

  sameAsEtcdctl("lock and elect", [
    "lock mutex echo held",
    "lock mutex -- sh -c 'exit 7'",
    "lock",
    "lock mutex no-such-program",
    { watch: "lock mutex", during: [{ waitMs: 1500 }], until: "mutex/" },
    { watch: "elect vote me", during: [{ waitMs: 1500 }], until: "me" },
    "elect vote",
    "elect vote me --listen",
    "elect",
  ]);

  sameAsEtcdctl("users, roles and permissions", [
    ...formats("user add anna:secret"),
    "user add ben --new-user-password=x",
    "user add cert --no-password",
    { run: "user add dora --interactive=false", stdin: "word\n" },
    "user add anna:again",
    "user add :x",
    "user add",
    ...formats("role add reader"),
    "role add reader",
    "role add",
    "role grant-permission reader read a",
    "role grant-permission reader readwrite b c",
    "role grant-permission reader write d --prefix",
    "role grant-permission reader read e --from-key",
    "role grant-permission reader read '' --prefix",
    "role grant-permission reader fly a",
    "role grant-permission reader read a b --prefix",
    "role grant-permission reader read a --prefix --from-key",
    "role grant-permission nobody read a",
    "role grant-permission reader",
    ...ALL("role get reader"),
    ...ALL("role list"),
    ...ALL("user list"),
    "user grant-role anna reader",
    "user grant-role anna nothing",
    "user grant-role anna",
    ...ALL("user get anna"),
    "user get anna --detail",
    "user get nobody",
    ...ALL("auth status"),
    "role revoke-permission reader a",
    "role revoke-permission reader b c",
    "role revoke-permission reader d --prefix",
    "role revoke-permission reader e --from-key",
    "role revoke-permission reader zz",
    "role revoke-permission reader",
    { run: "user passwd anna --interactive=false", stdin: "other\n" },
    "user add root:pw",
    "auth enable",
    "get a",
    "get a --user=anna:wrong",
    "get a --user=anna:other",
    "get a --user=root:pw",
    "put a 1 --user=root --password=pw",
    "--user=root:pw user get root --detail",
    "--user=root:pw role get root",
    "--user=root:pw auth status -w json",
    "--user=root:pw endpoint health",
    "--user=anna:other endpoint health",
    "--user=anna:other member list --consistency=s -w json",
    "--user=root:pw user revoke-role anna reader",
    "--user=root:pw user delete anna",
    "--user=root:pw role delete reader",
    "--user=root:pw auth disable",
    "auth disable",
    "auth enable more",
    "get a",
  ]);

  sameAsEtcdctl(
    "three members: --cluster, leadership, one of several endpoints",
    [
      "--endpoints=$endpoints put k v",
      "--endpoints=$endpoints,127.0.0.1:1 get k",
      { run: "endpoint health --cluster", pick: /is healthy: successfully committed proposal/ },
      "endpoint status --cluster -w fields --endpoints=127.0.0.1:1 --command-timeout=300ms",
      "--endpoints=$endpoints endpoint hashkv",
      { run: "member list", sorted: true },
      { run: "member list -w json", sorted: true },
      { run: "--endpoints=$endpoints move-leader 1" },
      "--endpoints=$endpoints snapshot save x",
      "snapshot save a b",
    ],
    { members: 3 },
  );

  sameAsEtcdctl("groups and what is missing", [
    "lease grant --help --nonsense",
    "member list --nonsense",
    "endpoint status extra --nonsense",
    "role grant-permission a b c",
    "user add",
    "role get",
  ]);

  it("prints the same protobuf and the same JSON of one and the same server", async () => {
    await withQuorate({}, async (cluster) => {
      const { endpoint } = cluster.member(0);
      const both = async (command: string): Promise<[string, string]> => {
        const args = [`--endpoints=${endpoint}`, ...splitWords(command)];
        const theirs = await run([tool("etcdctl"), ...args]);
        const ours = await run([...QUORATE_CTL.command, ...args]);
        assert.deepEqual([ours.code, theirs.code], [0, 0], `${command}: ${ours.stderr}`);
        return [ours.stdout, theirs.stdout];
      };
      await both("put k v");
      for (const command of [
        "get k",
        "get '' --prefix",
        "member list",
        "alarm list",
        "role list",
      ]) {
        for (const format of ["protobuf", "json", "fields"]) {
          const [ours, theirs] = await both(`${command} -w ${format}`);
          assert.equal(ours, theirs, `${command} -w ${format}`);
        }
      }
    });
  });
});
