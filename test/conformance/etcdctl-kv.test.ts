/** etcdctl's put, get, del, txn and compaction print against us what they print against etcd. */
import { describe } from "node:test";
import { type Step, formats } from "./support/script.ts";
import { sameAsEtcd } from "./support/twins.ts";

/** Seven keys, one of them written twice and one deleted. */
const FRUIT: Step[] = [
  "put apple red",
  "put banana yellow",
  "put cherry dark",
  "put apple green",
  "put apricot orange",
  "put damson blue",
  "put elder black",
  "put fig purple",
  "del elder",
];

describe("etcdctl put and get", () => {
  sameAsEtcd("put in every format, with previous value, ignored value and lease", [
    ...formats("put a 1"),
    ...formats("put a 2 --prev-kv"),
    "put a --ignore-value",
    "put a 3 --ignore-value",
    "put a 4 --ignore-lease",
    "put missing --ignore-value",
    "put missing x --ignore-lease",
    "put '' empty",
    "put a ''",
    { run: "put from-stdin", stdin: "the\nvalue" },
    "put a 1 --lease=123abc",
    "put",
    "get a -w fields",
    "get from-stdin",
  ]);

  sameAsEtcd("get with ranges, prefixes, limits and counts", [
    ...FRUIT,
    ...formats("get apple"),
    ...formats("get nothing"),
    ...formats("get '' --prefix"),
    ...formats("get a --prefix"),
    ...formats("get banana damson"),
    ...formats("get banana --from-key"),
    ...formats("get '' --from-key --limit=2"),
    ...formats("get a --prefix --keys-only"),
    ...formats("get '' --prefix --count-only"),
    "get '' --prefix --count-only --write-out=fields",
    "get banana --prefix --print-value-only",
    "get zebra apple",
    "get apple --hex",
    "get a --prefix --from-key",
    "get a --keys-only --count-only",
    "get",
    "get ''",
  ]);

  sameAsEtcd("get in every order, with limits and revision bounds", [
    ...FRUIT,
    ...["KEY", "VALUE", "VERSION", "CREATE", "MODIFY"].flatMap((by) => [
      `get '' --prefix --sort-by=${by} --order=ASCEND`,
      `get '' --prefix --sort-by=${by} --order=DESCEND --limit=3`,
      `get '' --prefix --sort-by=${by}`,
    ]),
    "get '' --prefix --order=DESCEND",
    "get '' --prefix --sort-by=nonsense",
    "get '' --prefix --order=sideways",
    ...["min-create-rev", "max-create-rev", "min-mod-rev", "max-mod-rev"].flatMap((bound) => [
      `get '' --prefix --${bound}=4 -w json`,
      `get '' --prefix --${bound}=4 --limit=2 -w json`,
      `get '' --prefix --${bound}=4 --count-only -w fields`,
    ]),
  ]);

  sameAsEtcd("get at revisions of the past, the future, and with either consistency", [
    ...FRUIT,
    ...[1, 2, 4, 5, 9, 10, 11, 100, -5].map((rev) => `get '' --prefix --rev=${rev} -w json`),
    "get elder --rev=8",
    "get elder --rev=10",
    "get apple --consistency=s",
    "get apple --consistency=l",
    "get apple --consistency=x",
  ]);

  sameAsEtcd("bytes that are no text, and long ones, come back as they were", [
    "put 'schlüssel' 'wert ☃'",
    "get schl --prefix",
    ...formats("get schlüssel"),
    "get schlüssel --hex",
    { run: "put big", stdin: "x".repeat(100_000) },
    "get big --print-value-only",
    { run: "put too-big", stdin: "x".repeat(1_600_000) },
  ]);
});

describe("etcdctl del", () => {
  sameAsEtcd("one key, ranges, prefixes and previous values", [
    ...FRUIT,
    ...formats("del nothing"),
    ...formats("del apple --prev-kv"),
    "put apple back",
    "del apple --prev-kv -w json",
    "put apple back",
    "del apple --prev-kv -w fields",
    "del b d --prev-kv",
    "del d --prefix",
    "put x 1",
    "put y 2",
    "del x --from-key",
    "del '' --prefix",
    "del",
    "del a --prefix --from-key",
    "get '' --prefix",
    "get '' --prefix --rev=8",
  ]);
});

describe("etcdctl txn", () => {
  const txn = (stdin: string, flags = ""): Step => ({ run: `txn ${flags}`, stdin });

  sameAsEtcd("every kind of compare chooses its branch", [
    "put k v",
    "put k w",
    ...["=", "!=", "<", ">"].flatMap((op) => [
      ...["1", "2", "3"].map((n) => txn(`version("k") ${op} "${n}"\n\nget k\n\nput no ${n}\n\n`)),
      ...["2", "3"].map((n) => txn(`mod("k") ${op} "${n}"\n\nget k\n\nget no\n\n`)),
      txn(`create("k") ${op} "2"\n\nget k\n\nget no\n\n`),
      ...["v", "w", "x"].map((v) => txn(`value("k") ${op} "${v}"\n\nget k\n\nget no\n\n`)),
      txn(`lease("k") ${op} "0"\n\nget k\n\nget no\n\n`),
    ]),
    txn('version("none") = "0"\nvalue("k") = "w"\n\nput none 1\nget none\n\nget k\n\n'),
    txn('version("none") = "0"\nvalue("k") = "w"\n\nput none 1\nget none\n\nget k\n\n'),
    txn('value("absent") = ""\n\nget k\n\nput absent-was-not-empty 1\n\n'),
    "get '' --prefix -w json",
  ]);

  sameAsEtcd("several operations see each other, in every format", [
    "put a 1",
    ...["simple", "json", "fields"].map((format) =>
      txn(
        "\nput b 2\nget a\nget b\ndel a\nget '' --prefix\nput c 3\ndel zzz\n\n\n",
        `-w ${format}`,
      ),
    ),
    txn("\nput b 2 --prev-kv\ndel b --prev-kv\nput b 4\n\n\n", "-w json"),
    txn('value("a") = "1"\n\nput a 2\n\nput a 3\n\n', "--interactive"),
    "get '' --prefix -w fields",
  ]);

  sameAsEtcd("what a txn refuses, it refuses in etcd's words", [
    txn("\nput a 1\nput a 2\n\n\n"),
    txn("\nput a 1\ndel a\n\n\n"),
    txn("\nput b 1\ndel a c\n\n\n"),
    txn("\ndel a c\nput b 1\n\n\n"),
    txn("\ndel a c\ndel b d\n\n\n"),
    txn(`\n${Array.from({ length: 128 }, (_, n) => `put k${n} v`).join("\n")}\n\n\n`),
    txn(`\n${Array.from({ length: 129 }, (_, n) => `put k${n} v`).join("\n")}\n\n\n`),
    txn("\nput a 1 --lease=77\n\n\n"),
    txn("\nget a --rev=100\nput never 1\n\n\n"),
    txn("\nput b --ignore-value\n\n\n"),
    txn("nonsense\n\nget a\n\n\n"),
    "get '' --prefix --keys-only --limit=3",
    "get never",
  ]);
});

describe("etcdctl compaction", () => {
  sameAsEtcd("older revisions are gone, current ones stay, and errors are etcd's", [
    ...FRUIT,
    "compaction 5",
    "get '' --prefix --rev=4",
    "get '' --prefix --rev=5 -w json",
    "get '' --prefix --rev=6 -w json",
    "compaction 5",
    "compaction 4",
    "compaction 100",
    "compaction 10 --physical",
    "get elder --rev=10",
    "get '' --prefix -w json",
    "put elder again",
    "get elder -w json",
    "compaction nonsense",
    "compaction",
    "compaction 0",
    "compaction -- -3",
    "watch apple --rev=3",
    "defrag",
  ]);
});

describe("HashKV", () => {
  const history: Step[] = [];
  for (let n = 0; n < 12; n++) {
    history.push(`put key-${n % 5} 'value ${n}'`);
    if (n % 4 === 3) history.push(`del key-${n % 3}`);
  }
  const everywhere = (last: number): Step[] =>
    Array.from({ length: last + 1 }, (_, rev) => `endpoint hashkv --rev=${rev}`);

  sameAsEtcd("is etcd's at every revision, before and after compactions", [
    ...history,
    "del key-4",
    "put key-4 reborn",
    { run: "txn", stdin: "\nput t1 1\nput t2 2\ndel key-1\n\n\n" },
    ...everywhere(18),
    ...[4, 9, 13].flatMap((floor) => [`compaction --physical ${floor}`, ...everywhere(19)]),
    "put after compaction",
    ...formats("endpoint hashkv", "table"),
  ]);
});
