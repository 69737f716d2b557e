/** Flags, environment and file: what is read, in which order, and every refusal in one line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { buildConfig, loadConfig, type Config } from "../../../node/config.ts";
import { parseDuration } from "../../../node/duration.ts";
import { FLAGS, nearestFlag, REFUSED_FLAGS } from "../../../node/flags.ts";
import { readSettings, type Settings } from "../../../node/settings.ts";
import { QuorateError } from "../../../src/base/errors.ts";

function settings(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): Settings {
  return readSettings({
    args,
    environment,
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new QuorateError("configuration", `no ${path}`);
      return text;
    },
  });
}

function config(...args: readonly string[]): Config {
  return loadConfig(args, {});
}

/** The one line that refuses these arguments. */
function refusal(...args: readonly string[]): string {
  try {
    config(...args);
  } catch (error) {
    assert.ok(error instanceof QuorateError, String(error));
    assert.equal(error.code, "configuration");
    assert.ok(!error.message.includes("\n"), error.message);
    return error.message;
  }
  throw new Error(`${args.join(" ")} was accepted`);
}

describe("settings", () => {
  it("come from the command line, else from QUORATE_, else from ETCD_", () => {
    const environment = { ETCD_NAME: "c", QUORATE_NAME: "b" };
    assert.equal(settings(["--name=a"], environment).values.get("name"), "a");
    assert.equal(settings([], environment).values.get("name"), "b");
    assert.equal(settings([], { ETCD_NAME: "c" }).values.get("name"), "c");
    assert.equal(settings([]).values.get("name"), undefined);
  });

  it("are written with one dash or two, with a space or an equals sign, and booleans alone", () => {
    const { values } = settings(["-name", "a=b", "--data-dir=", "--pre-vote", "--wal-dir", "w"]);
    assert.deepEqual(Object.fromEntries(values), {
      name: "a=b",
      "data-dir": "",
      "pre-vote": "true",
      "wal-dir": "w",
    });
    assert.throws(() => settings(["--pre-vote", "false"]), /'false' is not a flag/);
    assert.throws(() => settings(["--name"]), /--name needs a value/);
    assert.throws(() => settings(["name=x"]), /'name=x' is not a flag/);
  });

  it("come from the file alone where one is named, on the command line or in the environment", () => {
    const files = {
      "/c.yml": "name: f\ninitial-cluster: null\nlog-outputs: [stdout, /x]\npre-vote: false\n",
    };
    for (const [args, environment] of [
      [["--config-file=/c.yml", "--name=a"], { ETCD_NAME: "b" }],
      [["--name=a"], { ETCD_CONFIG_FILE: "/c.yml" }],
    ] as const) {
      const { values } = settings(args, environment, files);
      assert.deepEqual(Object.fromEntries(values), {
        name: "f",
        "log-outputs": "stdout,/x",
        "pre-vote": "false",
      });
    }
    assert.equal(settings(["--config-file=/e"], {}, { "/e": "" }).values.size, 0);
  });

  it("name the nearest flag for an unknown one, in a file too", () => {
    assert.throws(
      () => settings(["--dta-dir=x"]),
      /unknown flag --dta-dir: did you mean --data-dir\?/,
    );
    const file = { "/c": "hartbeat-interval: 5" };
    assert.throws(
      () => settings(["--config-file=/c"], {}, file),
      /did you mean --heartbeat-interval/,
    );
    assert.throws(() => settings(["--config-file=/c"], {}, { "/c": "a: [" }), /\/c is not YAML/);
    assert.throws(() => settings(["--config-file=/c"], {}, { "/c": "- a" }), /must be a mapping/);
    for (const name of FLAGS.keys()) assert.equal(nearestFlag(name), name);
  });

  it("warn of a variable that names no flag, and of nothing else in the environment", () => {
    const { warnings } = settings([], {
      ETCD_NMAE: "x",
      QUORATE_FOO: "y",
      PATH: "/bin",
      ETCD_NAME: "z",
    });
    assert.equal(warnings.length, 2);
    assert.match(warnings.join(), /ETCD_NMAE.*QUORATE_FOO/);
    assert.deepEqual(settings([], { QUORATE_RUNTIME: "1" }).warnings, [], "our own");
  });
});

describe("the configuration", () => {
  it("has etcd's defaults", () => {
    const of = config();
    assert.equal(of.name, "default");
    assert.equal(of.dataDir, "default.quorate");
    assert.equal(of.heartbeatMs, 100);
    assert.equal(of.electionMs, 1000);
    assert.equal(of.quotaBytes, 2 * 1024 ** 3);
    assert.equal(of.maxTxnOps, 128);
    assert.equal(of.maxRequestBytes, 1_572_864);
    assert.equal(of.initialClusterToken, "etcd-cluster");
    assert.deepEqual(of.autoCompaction, { mode: "off" });
    assert.deepEqual([...of.initialCluster], [["default", ["http://localhost:2380"]]]);
    assert.deepEqual(of.warnings, []);
  });

  it("has a default for every flag that it serves", () => {
    const values = new Map(
      [...FLAGS.values()]
        .filter((flag) => flag.help !== null && !REFUSED_FLAGS.has(flag.name))
        .map((flag) => [flag.name, flag.fallback]),
    );
    assert.deepEqual(buildConfig({ values, warnings: [] }), config());
  });

  it("reads a cluster of several URLs each, and quotas and retentions as etcd does", () => {
    const of = config("--initial-cluster=a=http://x:1,b=http://y:1,a=http://x:2/", "--name=a");
    assert.deepEqual(
      [...of.initialCluster],
      [
        ["a", ["http://x:1", "http://x:2"]],
        ["b", ["http://y:1"]],
      ],
    );
    assert.equal(config("--quota-backend-bytes=-1").quotaBytes, Number.POSITIVE_INFINITY);
    assert.equal(config("--quota-backend-bytes=9000000000").warnings.length, 1);
    const kept = (...args: string[]): Config["autoCompaction"] => config(...args).autoCompaction;
    assert.deepEqual(kept("--auto-compaction-retention=2"), {
      mode: "periodic",
      periodMs: 7_200_000,
    });
    assert.deepEqual(kept("--auto-compaction-retention=30m"), {
      mode: "periodic",
      periodMs: 1_800_000,
    });
    const byCount = "--auto-compaction-mode=revision";
    assert.deepEqual(kept(byCount, "--auto-compaction-retention=5"), {
      mode: "revision",
      revisions: 5,
    });
    assert.deepEqual(kept(byCount), { mode: "off" });
    assert.deepEqual(kept("--auto-compaction-retention=0s"), { mode: "off" });
  });

  it("accepts with a warning what means nothing here", () => {
    assert.deepEqual(config("--max-wals=5").warnings, [
      "--max-wals is accepted and has no effect here",
    ]);
  });

  const contradictions: readonly [readonly string[], RegExp][] = [
    [["--boot-dir=/b", "--initial-cluster=a=http://x:1"], /--boot-dir .*remove --initial-cluster$/],
    [["--boot-dir=/b", "--force-new-cluster"], /a ticket to say .*: remove it$/],
    [["--boot-dir=/b", "--initial-cluster-state=new"], /remove --initial-cluster-state$/],
    [["--boot-dir=/b", "--initial-cluster-token=t"], /remove --initial-cluster-token$/],
    [["--election-timeout=400", "--heartbeat-interval=100"], /at least 5 times.*raise it to 500/],
    [["--election-timeout=50001"], /must not exceed 50000/],
    [["--heartbeat-interval=0"], /must be at least 1/],
    [["--heartbeat-interval=1.5"], /must be a whole number/],
    [["--name="], /--name must not be empty/],
    [["--listen-client-urls=http://h:1"], /--advertise-client-urls is required/],
    [["--listen-peer-urls=ftp://h:1"], /must start with http/],
    [["--listen-peer-urls=http://h"], /must name a port/],
    [["--listen-peer-urls=http://h:1/x"], /must not have a path/],
    [["--listen-peer-urls=h"], /is not a URL/],
    [["--initial-cluster=a"], /must be written name=peer-url/],
    [["--initial-cluster=a=http://h:1,b=http://h:1"], /names one peer URL twice/],
    [["--initial-cluster-state=old"], /must be one of: new, existing/],
    [["--auto-compaction-mode=x"], /must be one of: periodic, revision/],
    [["--auto-compaction-retention=x"], /must be hours or a duration/],
    [["--auto-compaction-mode=revision", "--auto-compaction-retention=1h"], /number of revisions/],
    [["--pre-vote=maybe"], /must be true or false/],
    [["--log-level=loud"], /is not one of/],
    [["--metrics=all"], /must be one of: basic, extensive/],
    [["--grpc-keepalive-timeout=20"], /must be a duration/],
    [["--watch-progress-notify-interval=-1s"], /must be a duration/],
    [["--max-txn-ops=0"], /must be at least 1/],
    [["--wal-segment-bytes=1000"], /must be at least 4194304/],
    [["--config-file=/nowhere/at/all"], /cannot be read/],
  ];
  for (const [args, expected] of contradictions) {
    it(`refuses ${args.join(" ")} in one line that names the flag`, () => {
      const line = refusal(...args);
      assert.match(line, expected);
      assert.match(line, /--[a-z-]+/);
    });
  }
});

describe("a duration", () => {
  it("is read as Go reads it", () => {
    const cases: readonly [string, number | null][] = [
      ["0", 0],
      ["1s", 1000],
      ["300ms", 300],
      ["1.5h", 5_400_000],
      ["2h45m", 9_900_000],
      ["1h15m30.918s", 4_530_918],
      [".5s", 500],
      ["1.s", 1000],
      ["100us", 0.1],
      ["100µs", 0.1],
      ["-1.5h", -5_400_000],
      ["+5s", 5000],
      ["", null],
      ["3", null],
      ["-", null],
      ["s", null],
      [".", null],
      [".s", null],
      ["1d", null],
      ["1s ", null],
      ["--1s", null],
    ];
    for (const [text, expected] of cases) {
      const value = parseDuration(text);
      if (expected === null || value === null) assert.equal(value, expected, text);
      else assert.ok(Math.abs(value - expected) < 1e-6, `${text}: ${value}`);
    }
  });
});
