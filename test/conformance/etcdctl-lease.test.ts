/** etcdctl's lease commands print against us what they print against etcd. */
import { describe } from "node:test";
import { type Step, formats } from "./support/script.ts";
import { sameAsEtcd } from "./support/twins.ts";

const grant = (name: string, ttl: number): Step => ({
  run: `lease grant ${ttl}`,
  save: { [name]: /lease (\w+) granted/ },
});

describe("etcdctl lease", () => {
  sameAsEtcd("grant, list, time to live and keep-alive in every format", [
    "lease list",
    grant("short", 100),
    grant("long", 10_000),
    ...formats("lease grant 500"),
    ...formats("lease list"),
    "put a 1 --lease=$short",
    "put c 3 --lease=$long",
    ...formats("lease timetolive $short"),
    ...formats("lease timetolive $short --keys"),
    "lease keep-alive $short --once",
    "lease keep-alive $short --once -w json",
    "lease keep-alive $short --once -w fields",
    "get a -w json",
    "get a -w fields",
  ]);

  sameAsEtcd("a revoked lease takes its keys, and only those, in one revision", [
    grant("one", 1000),
    grant("two", 1000),
    "put a 1 --lease=$one",
    "put b 2 --lease=$one",
    "put c 3 --lease=$two",
    "put d 4 --lease=$one",
    "put d 5 --lease=$two",
    "put b 6",
    "lease timetolive $one --keys -w simple",
    {
      watch: "watch '' --prefix --rev=8",
      during: ["lease revoke $one"],
      until: "DELETE",
    },
    "get '' --prefix -w json",
    "lease timetolive $one",
    "lease timetolive $two --keys",
    "lease revoke $two -w json",
    "get '' --prefix -w json",
    "lease list",
  ]);

  sameAsEtcd("an expired lease deletes its keys", [
    grant("brief", 2),
    "put gone soon --lease=$brief",
    "put kept 1",
    { watch: "watch gone --rev=4", during: [], until: "DELETE" },
    "get '' --prefix -w json",
    "lease timetolive $brief",
    "lease list",
  ]);

  sameAsEtcd("what it refuses, it refuses in etcd's words", [
    "lease revoke 123abc",
    "lease timetolive 123abc",
    "lease timetolive 123abc --keys -w json",
    "lease keep-alive 123abc --once",
    "lease grant 0",
    "lease grant -- -1",
    "lease grant 99999999999",
    "lease grant x",
    "lease revoke nonsense",
    "put a 1 --lease=123abc",
    "lease list",
  ]);
});
