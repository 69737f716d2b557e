/** etcdctl's member, endpoint, alarm and maintenance commands print against us what they print against etcd. */
import { describe } from "node:test";
import { type Step, formats } from "./support/script.ts";
import { sameAsEtcd } from "./support/twins.ts";

const list: Step = { run: "member list", sorted: true };

describe("etcdctl endpoint", () => {
  sameAsEtcd("status, health and hash of one member in every format", [
    "put a 1",
    ...formats("endpoint status", "table"),
    ...formats("endpoint health", "table"),
    ...formats("endpoint hashkv", "table"),
    "endpoint health --cluster",
    "endpoint hashkv --cluster",
    "version",
    "get a --endpoints=127.0.0.1:1 --command-timeout=1s --dial-timeout=500ms -w json",
  ]);

  sameAsEtcd(
    "status, health and hash of three members",
    [
      "put a 1",
      "put b 1 --endpoints=$client1",
      "get '' --prefix --endpoints=$client2",
      "endpoint hashkv --endpoints=$endpoints",
      "endpoint health --endpoints=$client0",
      "endpoint health --endpoints=$client1",
      list,
      "member list --endpoints=$client2 -w nonsense",
    ],
    { members: 3 },
  );
});

describe("etcdctl member", () => {
  sameAsEtcd("members are listed in every format", [
    ...formats("member list", "table"),
    "member list --hex -w json",
    { run: "member list", save: { self: /^(\w+),/ } },
    "member update $self --peer-urls=$peer0",
    "member update $self --peer-urls=http://127.0.0.1:1",
    "member list",
    "member update $self --peer-urls=$peer0 -w json",
    "member list",
  ]);

  sameAsEtcd("a learner is added, refused what it may not, and removed", [
    {
      run: "member add extra --learner --peer-urls=http://127.0.0.1:1",
      save: { extra: /^Member\s+(\w+) added/ },
    },
    list,
    { run: "member list -w json", sorted: true },
    "member promote $extra",
    "member add second --learner --peer-urls=http://127.0.0.1:2",
    // etcd makes the id from URLs and second: within the same second the complaint would be about that.
    { waitMs: 1100 },
    "member add same --peer-urls=http://127.0.0.1:1",
    "put still 1",
    "member remove $extra",
    list,
    "member remove $extra",
    "member promote $extra",
    "member update $extra --peer-urls=http://127.0.0.1:9",
  ]);

  sameAsEtcd("what it refuses, it refuses in etcd's words", [
    "member add nobody",
    "member add nobody --peer-urls=nonsense",
    "member add twice --peer-urls=$peer0",
    "member remove 123abc",
    "member remove nonsense",
    "member promote 123abc",
    "member update 123abc --peer-urls=http://127.0.0.1:1",
    { run: "member list", save: { self: /^(\w+),/ } },
    "member promote $self",
    "move-leader 123abc",
    "move-leader $self",
  ]);

  sameAsEtcd(
    "a member of three is removed and the rest serve on",
    [
      { run: "member list", sorted: true, save: { last: /(\w+), started, m2,/ } },
      "put a 1",
      "member remove $last",
      list,
      "put a 2",
      "get a -w fields",
    ],
    { members: 3, flags: ["--strict-reconfig-check=false"] },
  );
});

describe("etcdctl alarm and quota", () => {
  sameAsEtcd(
    "a full store refuses puts, serves the rest, and is disarmed",
    [
      "alarm list",
      // Where exactly it is full is each store's own affair.
      ...Array.from({ length: 12 }, (_, n): Step => ({
        run: `put big${n}`,
        stdin: "x".repeat(1_000_000),
        quiet: true,
      })),
      "alarm list",
      "endpoint health",
      "put more 1",
      "lease grant 100",
      "get none",
      "alarm disarm",
      "alarm list",
    ],
    { flags: ["--quota-backend-bytes=8000000"] },
  );
});

describe("etcdctl check", () => {
  sameAsEtcd("datascale writes, counts and cleans up after itself", [
    { run: "check datascale --load=s --auto-compact", pick: /PASS|FAIL/ },
    "get '' --prefix --count-only -w fields",
  ]);
});
