/** The texts of `quorate ctl`, against what Go prints. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CompareResult, CompareTarget } from "../../../../src/api/gen/kv.ts";
import { CtlError } from "../../../../node/ctl/exit.ts";
import { type Flag, parseFlags, splitCommand } from "../../../../node/ctl/flags.ts";
import { messageJson } from "../../../../node/ctl/go-json.ts";
import {
  bytesOfWord,
  durationText,
  hex16,
  parseInt64,
  parseUint64,
  quote,
  sizeText,
  splitLine,
  unquote,
} from "../../../../node/ctl/go-text.ts";
import { drawTable } from "../../../../node/ctl/table.ts";
import { parseCompare } from "../../../../node/ctl/txn.ts";

describe("quote and unquote", () => {
  it("escape as Go's %q does, and back", () => {
    const cases: [Uint8Array, string][] = [
      [Buffer.from("plain é 漢 😀"), '"plain é 漢 😀"'],
      [
        Buffer.from('say "hi" \\ \t\n\r\x07\x08\x0b\x0c'),
        String.raw`"say \"hi\" \\ \t\n\r\a\b\v\f"`,
      ],
      [Buffer.of(0, 1, 0x7f, 0xff, 0xc3), String.raw`"\x00\x01\x7f\xff\xc3"`],
      [Buffer.from("\u200b\u00a0\u{e0001}"), String.raw`"\u200b\u00a0\U000e0001"`],
    ];
    for (const [bytes, text] of cases) {
      assert.equal(quote(bytes), text);
      assert.deepEqual(unquote(text), Buffer.from(bytes));
    }
    assert.deepEqual(unquote("`raw \\n`"), Buffer.from("raw \\n"));
    assert.deepEqual(unquote(String.raw`"\101"`), Buffer.from("A"));
    for (const bad of ['"open', "bare", String.raw`"\q"`, ""]) assert.equal(unquote(bad), null);
  });

  it("a line splits into words, quotes kept together, and bytes that are no text survive", () => {
    assert.deepEqual(splitLine(`put "a b" 'c "d"' e=f`), ["put", "a b", 'c "d"', "e=f"]);
    const [, word = ""] = splitLine(String.raw`put "\x00\xff\xc3\xa9"`);
    assert.deepEqual(bytesOfWord(word), Buffer.of(0, 0xff, 0xc3, 0xa9));
  });
});

describe("numbers, times and sizes", () => {
  it("are read as strconv reads them", () => {
    assert.equal(parseInt64("-ff", 16), -255n);
    assert.equal(parseUint64("ffffffffffffffff", 16), 2n ** 64n - 1n);
    for (const bad of ["", "x", "1.5", "0x1"]) {
      assert.throws(() => parseInt64(bad, 10), {
        message: `strconv.ParseInt: parsing ${quote(bad)}: invalid syntax`,
      });
    }
    assert.throws(() => parseInt64("9223372036854775808", 10), {
      message: 'strconv.ParseInt: parsing "9223372036854775808": value out of range',
    });
    assert.throws(() => parseUint64("-1", 10), /invalid syntax/);
  });

  it("are printed as Go prints them", () => {
    assert.deepEqual([0, 0.000_5, 0.012_34, 3.829_767, 1500, 61_000, 3_723_500].map(durationText), [
      "0s",
      "500ns",
      "12.34µs",
      "3.829767ms",
      "1.5s",
      "1m1s",
      "1h2m3.5s",
    ]);
    assert.deepEqual([0, 9, 10, 999, 1000, 20_480, 2_147_483_648].map(sizeText), [
      "0 B",
      "9 B",
      "10 B",
      "999 B",
      "1.0 kB",
      "20 kB",
      "2.1 GB",
    ]);
    assert.deepEqual([1n, -5n].map(hex16), ["0000000000000001", "-000000000000005"]);
  });

  it("a table has headings in the middle and cells to the right", () => {
    assert.equal(
      drawTable(["id", "is_learner"], [["abcdef", "true"]]),
      "+--------+------------+\n|   ID   | IS LEARNER |\n+--------+------------+\n" +
        "| abcdef |       true |\n+--------+------------+\n",
    );
  });

  it("messages are JSON without zeros, choices in a field of their own", () => {
    const header = { clusterId: 2n ** 63n, memberId: 0n, revision: 7, raftTerm: 2 };
    const put = { header: { ...header, clusterId: 0n, raftTerm: 0 }, prevKv: null };
    const answer = {
      header,
      succeeded: true,
      responses: [{ response: { kind: "responsePut", value: put } }],
    };
    assert.equal(
      messageJson("TxnResponse", answer),
      '{"header":{"cluster_id":9223372036854775808,"revision":7,"raft_term":2},"succeeded":true,' +
        '"responses":[{"Response":{"response_put":{"header":{"revision":7}}}}]}',
    );
    const member = { id: 1n, name: "<a&b>", peerUrls: ["x"], clientUrls: [], isLearner: false };
    assert.equal(
      messageJson("Member", member),
      '{"ID":1,"name":"\\u003ca\\u0026b\\u003e","peerURLs":["x"]}',
    );
  });
});

describe("parseCompare", () => {
  it("reads each target, short and long", () => {
    const { key, result, target, targetUnion } = parseCompare('mod("k\\x00") > "12"');
    assert.deepEqual(
      [String(key), result, target],
      ["k\0", CompareResult.greater, CompareTarget.mod],
    );
    assert.deepEqual(targetUnion, { kind: "modRevision", value: 12 });
    assert.deepEqual(parseCompare('lease("k") = "1f"').targetUnion, { kind: "lease", value: 31n });
    assert.deepEqual(parseCompare('val("k") != "v"').targetUnion, {
      kind: "value",
      value: Buffer.from("v"),
    });
  });

  it("refuses what is malformed, with exit code 3", () => {
    for (const bad of [
      "x",
      'mod("k") ~ "1"',
      'mod("k") = "x"',
      'size("k") = "1"',
      'mod(k) = "1"',
    ]) {
      assert.throws(
        () => parseCompare(bad),
        (error) => error instanceof CtlError && error.code === 3,
        bad,
      );
    }
  });
});

describe("parseFlags", () => {
  const known: readonly Flag[] = [
    { name: "limit", kind: "int", initial: "5", help: "" },
    { name: "write-out", short: "w", kind: "string", initial: "simple", help: "" },
    { name: "prefix", kind: "bool", help: "" },
    { name: "endpoints", kind: "list", initial: "a", help: "" },
    { name: "timeout", kind: "duration", initial: "5s", help: "" },
  ];

  it("takes flags in every spelling, among arguments, up to the dashes", () => {
    const words = ["k", "--limit", "3", "-wjson", "--prefix=false", "--", "--limit=9"];
    const flags = parseFlags(known, words);
    assert.deepEqual(flags.args, ["k", "--limit=9"]);
    assert.equal(flags.argsBeforeDashes, 1);
    assert.deepEqual(
      [flags.int("limit"), flags.string("write-out"), flags.bool("prefix")],
      [3, "json", false],
    );
    const usual = parseFlags(known, ["-w", "table", "--prefix", "--endpoints=x, y"]);
    assert.deepEqual(
      [usual.string("write-out"), usual.bool("prefix"), usual.list("endpoints")],
      ["table", true, ["x", "y"]],
    );
    assert.deepEqual([usual.int("limit"), usual.duration("timeout")], [5, 5000]);
  });

  it("refuses what it does not know, as etcdctl does", () => {
    const refused: [string[], string][] = [
      [["--bogus"], "unknown flag: --bogus"],
      [["-z"], "unknown shorthand flag: 'z' in -z"],
      [["--limit"], "flag needs an argument: --limit"],
      [
        ["-w=x", "--limit=q"],
        'invalid argument "q" for "--limit" flag: strconv.ParseInt: parsing "q": invalid syntax',
      ],
      [
        ["--timeout=5"],
        'invalid argument "5" for "--timeout" flag: time: missing unit in duration "5"',
      ],
    ];
    for (const [words, message] of refused)
      assert.throws(() => parseFlags(known, words), { message, code: 1 });
  });

  it("finds the command behind flags that take the next word", () => {
    const { words, rest } = splitCommand(
      known,
      ["-w", "json", "--prefix", "get", "k", "-w", "x"],
      1,
    );
    assert.deepEqual([words, rest], [["get"], ["-w", "json", "--prefix", "k", "-w", "x"]]);
  });
});
