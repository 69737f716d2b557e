/** etcdctl's lock and elect print against us what they print against etcd. */
import { describe } from "node:test";
import { sameAsEtcd } from "./support/twins.ts";

describe("etcdctl lock and elect", () => {
  sameAsEtcd("a lock is held while a command runs, and gone after it", [
    "lock door echo inside",
    "lock door false",
    "get door --prefix",
    "lock --ttl=5 door etcdctl-is-no-such-command",
    {
      watch: "lock room",
      during: [
        { waitMs: 500 },
        "get room/ --prefix --keys-only",
        "get room/ --prefix --count-only -w fields",
      ],
      until: "room/",
    },
    {
      watch: "lock room --ttl=100",
      during: [{ waitMs: 300 }, "get room/ --prefix --keys-only", "del room/ --prefix"],
      until: "room/",
    },
  ]);

  sameAsEtcd("a leader is elected, observed, and followed by the next", [
    {
      watch: "elect chair ann --command-timeout=60s",
      during: [
        { waitMs: 500 },
        { watch: "elect -l chair", during: [], until: "ann" },
        {
          watch: "elect chair bob",
          during: [{ waitMs: 300 }, "get chair/ --prefix -w simple", "del chair/ --prefix"],
          until: "bob",
        },
      ],
      until: "ann",
    },
  ]);
});
