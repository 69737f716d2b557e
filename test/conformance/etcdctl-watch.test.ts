/** etcdctl's watch prints against us what it prints against etcd. */
import { describe } from "node:test";
import { type Step } from "./support/script.ts";
import { sameAsEtcd } from "./support/twins.ts";

const HISTORY: Step[] = [
  "put a 1",
  "put b 1",
  "put a 2",
  "del a",
  { run: "txn", stdin: "\nput a 3\nput ab 1\nput c 1\n\n\n" },
];

describe("etcdctl watch", () => {
  for (const format of ["simple", "json", "fields"]) {
    sameAsEtcd(`history first, then what happens, each event once (${format})`, [
      ...HISTORY,
      {
        watch: `watch a --prefix --rev=2 -w ${format}`,
        during: ["put a 4", "put b 2", "del ab", "put a-end 1"],
        // The key's bytes as each format prints them.
        until: format === "json" ? "YS1lbmQ=" : "a-end",
      },
    ]);
  }

  sameAsEtcd("previous values, single keys and ranges", [
    ...HISTORY,
    {
      watch: "watch a --rev=2 --prev-kv",
      during: ["put a 4", "del a", "put a done"],
      until: "done",
    },
    {
      watch: "watch a c --rev=2 --prev-kv -w json",
      during: ["put b ZZZZ"],
      until: "WlpaWg==",
    },
    { watch: "watch b --rev=3", during: [], until: "ZZZZ" },
    { watch: "watch '' --prefix --rev=6", during: [], until: "ZZZZ" },
    { watch: "watch b '\\0' --rev=3", during: ["put zzz lasts"], until: "lasts" },
  ]);

  sameAsEtcd("an interactive session watches and asks for progress", [
    ...HISTORY,
    { watch: "watch -i", stdin: "watch a --rev=2\n", during: ["put a done"], until: "done" },
    { watch: "watch -i", stdin: "watch zzz\nprogress\n", during: [], until: "progress notify" },
  ]);

  sameAsEtcd("a watch that starts in the future waits for its revision", [
    ...HISTORY,
    {
      watch: "watch f --rev=9",
      during: ["put f 7", "put f 8", "put f 9", "put f 10"],
      until: "10",
    },
  ]);

  sameAsEtcd("a compacted start is answered with etcd's error", [
    ...HISTORY,
    "compaction 5",
    "watch a --rev=2",
    { watch: "watch a --prefix --rev=6", during: ["put a done"], until: "done" },
  ]);
});
