/** Where slow requests spent their time, and how that is told. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";

import { openLog } from "../../../../node/log.ts";
import { toConsoleLine } from "../../../../node/log-line.ts";
import { describeCommand, describeRange } from "../../../../node/rpc/describe.ts";
import { SlowRequests } from "../../../../node/slow-requests.ts";
import { Marks, Timeline } from "../../../../node/timeline.ts";
import {
  longestPhase,
  readPhases,
  writePhases,
  type Phases,
  type Trace,
} from "../../../../node/trace.ts";
import { putRequest, requestOp, txnRequest } from "../../../../src/api/gen/kv.ts";
import { toKey } from "../../../../src/base/bytes.ts";
import { Status, type ServerCall } from "../../../../src/grpc/service.ts";
import { plainQuery } from "../../../../src/mvcc/range.ts";
import { entryData, text } from "../../machine/fixture.ts";

function sum(phases: Phases): number {
  return Object.values(phases).reduce((total, ms) => total + ms, 0);
}

describe("marks", () => {
  it("know when an index passed, to two milliseconds", () => {
    const marks = new Marks();
    for (const [index, at] of [
      [5, 100],
      [9, 101],
      [12, 110],
    ] as const) {
      marks.add(index, at);
    }
    assert.equal(marks.passedAt(4), 100);
    assert.equal(marks.passedAt(9), 100);
    assert.equal(marks.passedAt(10), 110);
    assert.equal(marks.passedAt(13), null);
  });

  it("answer for the log as it is now where it was cut", () => {
    const marks = new Marks();
    marks.add(10, 100);
    marks.add(6, 200);
    marks.add(11, 300);
    assert.equal(marks.passedAt(6), 200);
    assert.equal(marks.passedAt(8), 300);
  });

  it("agree with a list of everything, as far back as they reach", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 2, max: 50 })), {
          minLength: 1,
          maxLength: 9_000,
          size: "max",
        }),
        fc.nat(40_000),
        (steps, wanted) => {
          const marks = new Marks();
          const all: (readonly [index: number, at: number])[] = [];
          let index = 1;
          let now = 0;
          for (const [by, after] of steps) {
            index += by;
            now += after;
            marks.add(index, now);
            all.push([index, now]);
          }
          const found = all.find(([at]) => at >= wanted) ?? null;
          const answer = marks.passedAt(wanted);
          if (found === null) assert.equal(answer, null);
          else if (answer === null) assert.ok(all.length > 4_096, "only what is long gone");
          else assert.equal(answer, found[1]);
        },
      ),
      { seed: 20, numRuns: 60 },
    );
  });
});

describe("phases", () => {
  it("of a write on the leader are queue, log, replicate, apply and respond", () => {
    const timeline = new Timeline();
    timeline.appended.add(7, 110);
    timeline.durable.add(7, 150);
    timeline.committed.add(7, 180);
    timeline.applied.add(7, 185);
    assert.deepEqual(writePhases({ sentAtMs: 110, index: 7 }, timeline, 100, 190), {
      queue: 10,
      log: 40,
      replicate: 30,
      apply: 5,
      respond: 5,
    });
  });

  it("of a write on a follower count the way to the leader as replication", () => {
    const timeline = new Timeline();
    timeline.appended.add(7, 160);
    timeline.durable.add(7, 170);
    timeline.committed.add(7, 200);
    const phases = writePhases({ sentAtMs: 110, index: 7 }, timeline, 100, 205);
    assert.deepEqual(phases, { queue: 10, log: 10, replicate: 80, apply: 5, respond: 0 });
  });

  it("of a write that never left, or was never applied, say where it stayed", () => {
    const timeline = new Timeline();
    assert.deepEqual(writePhases({ sentAtMs: -1, index: 0 }, timeline, 0, 7000), { queue: 7000 });
    assert.deepEqual(writePhases({ sentAtMs: 100, index: 0 }, timeline, 0, 7000), {
      queue: 100,
      replicate: 6900,
    });
  });

  it("of a read are queue, read index, apply and read", () => {
    const times = { askedAtMs: 10, confirmedAtMs: 40, readableAtMs: 45 };
    assert.deepEqual(readPhases(times, 0, 100), { queue: 10, readIndex: 30, apply: 5, read: 55 });
    assert.deepEqual(readPhases({ ...times, confirmedAtMs: 0, readableAtMs: 0 }, 0, 100), {
      queue: 10,
      readIndex: 90,
      apply: 0,
      read: 0,
    });
    assert.deepEqual(readPhases(null, 0, 100), { queue: 100 });
  });

  it("are never negative and sum to the whole, whatever the marks say", () => {
    const at = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(
        at,
        at,
        at,
        at,
        at,
        at,
        at,
        (start, length, sent, appended, durable, committed, applied) => {
          const timeline = new Timeline();
          timeline.appended.add(3, appended);
          timeline.durable.add(3, durable);
          timeline.committed.add(3, committed);
          timeline.applied.add(3, applied);
          const end = start + length;
          const phases = writePhases({ sentAtMs: sent, index: 3 }, timeline, start, end);
          assert.equal(sum(phases), length);
          assert.ok(Object.values(phases).every((ms) => ms >= 0));
          const times = { askedAtMs: sent, confirmedAtMs: appended, readableAtMs: durable };
          assert.equal(sum(readPhases(times, start, end)), length);
        },
      ),
      { seed: 21, numRuns: 500 },
    );
  });

  it("name the longest", () => {
    assert.equal(longestPhase({ queue: 1, log: 5, replicate: 5 }), "log");
  });
});

interface Line {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function slowRequests(lines: Line[], clock: { nowMs: number }): SlowRequests {
  const warn = (fields: object, message: string): void =>
    void lines.push({ fields: fields as Line["fields"], message });
  return new SlowRequests({
    logger: { debug() {}, info() {}, warn, error() {} },
    timeline: new Timeline(),
    now: () => clock.nowMs,
    revision: () => 5,
  });
}

describe("slow requests", () => {
  const trace: Trace = {
    describe: () => ({ op: "put" }),
    phases: (_timeline, start, end) => ({ queue: 1, log: end - start - 1 }),
  };
  const call = { trace, remoteAddress: "10.0.0.7:1" } as unknown as ServerCall;

  it("are logged with their phases, and counted by the longest", () => {
    const lines: Line[] = [];
    const slow = slowRequests(lines, { nowMs: 1000 });
    slow.onSlow("/etcdserverpb.KV/Put", Status.ok, 400, call);
    slow.onSlow("/etcdserverpb.Maintenance/Defragment", Status.internal, 900, null);
    assert.deepEqual(
      lines.map(({ fields }) => fields),
      [
        {
          path: "/etcdserverpb.KV/Put",
          ms: 400,
          queueMs: 1,
          logMs: 399,
          status: "OK",
          remote: "10.0.0.7:1",
          revision: 5,
          request: { op: "put" },
        },
        {
          path: "/etcdserverpb.Maintenance/Defragment",
          ms: 900,
          handleMs: 900,
          status: "Internal",
          remote: undefined,
          revision: 5,
          request: undefined,
        },
      ],
    );
    assert.deepEqual(
      [...slow.counts],
      [
        { method: "Put", phase: "log", count: 1 },
        { method: "Defragment", phase: "handle", count: 1 },
      ],
    );
  });

  it("under overload write ten lines a second, and one that sums up the rest", () => {
    const lines: Line[] = [];
    const clock = { nowMs: 0 };
    const slow = slowRequests(lines, clock);
    for (let at = 0; at < 1000; at++) slow.onSlow("/etcdserverpb.KV/Put", Status.ok, 400, call);
    assert.equal(lines.length, 10);
    slow.tick();
    slow.tick();
    assert.deepEqual(lines.at(-1)?.fields, { requests: 990 });
    assert.equal(lines.length, 11);
    clock.nowMs = 1000;
    slow.onSlow("/etcdserverpb.KV/Put", Status.ok, 400, call);
    assert.equal(lines.length, 12);
    assert.equal([...slow.counts][0]?.count, 1001);
  });
});

describe("descriptions of requests", () => {
  const SECRET = "a-secret-key-or-value";
  const put = putRequest({ key: text(SECRET), value: text(SECRET), lease: 7n });

  it("give sizes and shapes", () => {
    const data = entryData(1, { kind: "put", value: put });
    assert.deepEqual(describeCommand(data), {
      op: "put",
      bytes: data.length,
      keyBytes: SECRET.length,
      valueBytes: SECRET.length,
      leased: true,
      prevKv: false,
    });
    const query = plainQuery(toKey(text("/a/")), toKey(text("/a0")));
    assert.partialDeepStrictEqual(describeRange(query), {
      op: "range",
      keyBytes: 3,
      range: "prefix or interval",
    });
    assert.partialDeepStrictEqual(describeRange(plainQuery(toKey(text("/a/")), null)), {
      range: "one key",
    });
  });

  it("count what a transaction holds, nested ones too", () => {
    const inner = txnRequest({
      success: [requestOp({ request: { kind: "requestPut", value: put } })],
    });
    const outer = txnRequest({
      success: [
        requestOp({ request: { kind: "requestPut", value: put } }),
        requestOp({ request: { kind: "requestTxn", value: inner } }),
      ],
    });
    const described = describeCommand(entryData(1, { kind: "txn", value: outer }));
    assert.partialDeepStrictEqual(described, { op: "txn", puts: 2, nested: 1, ranges: 0 });
  });

  it("hold neither key nor value, and stand what does not decode", () => {
    const data = entryData(1, { kind: "put", value: put });
    assert.ok(!JSON.stringify(describeCommand(data)).includes("secret"));
    assert.partialDeepStrictEqual(describeCommand(data.subarray(0, data.length - 3)), {
      undecodable: true,
    });
  });
});

describe("the log for people", () => {
  const event = { level: "warn", ts: "2026-01-31T12:00:00.000Z", peer: "8e9e", reason: "no way" };

  it("puts time, level, message and fields into one line", () => {
    assert.equal(
      toConsoleLine(`${JSON.stringify({ ...event, ms: 3, at: { x: 1 }, msg: "it is so" })}\n`),
      '2026-01-31T12:00:00.000Z  warn   it is so  peer=8e9e reason="no way" ms=3 at={"x":1}\n',
    );
    assert.equal(
      toConsoleLine('{"level":"info","ts":"t","msg":"stopped"}\n'),
      "t  info   stopped\n",
    );
    assert.equal(toConsoleLine("not JSON\n"), "not JSON\n");
  });

  it("lets no value begin another line or field", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (reason, msg) => {
        const line = toConsoleLine(JSON.stringify({ ...event, reason, msg }));
        assert.equal(line.indexOf("\n"), line.length - 1);
      }),
      { seed: 22 },
    );
  });

  it("is what --log-format=console writes, and JSON is what is written otherwise", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-log-"));
    try {
      for (const format of ["console", "json"] as const) {
        const file = join(folder, format);
        const log = openLog("info", [file], format);
        log.info({ peer: 0x8e9en }, "hello");
        log.debug({}, "unheard");
        // The file is opened asynchronously.
        for (let tries = 0; tries < 200 && readIfThere(file) === ""; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          log.flush();
        }
        const written = readIfThere(file);
        if (format === "console") assert.match(written, /^\S+Z {2}info {3}hello {2}peer=8e9e\n$/);
        else assert.partialDeepStrictEqual(JSON.parse(written), { msg: "hello", peer: "8e9e" });
        assert.equal(log.dropped, 0);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
