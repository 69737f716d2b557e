/** The text of a scrape, and what is counted by hand. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

import { CallStats } from "../../../../node/call-stats.ts";
import {
  expose,
  exposeHistograms,
  exposeLabelled,
  Exposition,
} from "../../../../node/exposition.ts";
import { exponentialBounds, HandHistogram } from "../../../../node/histogram.ts";
import { exposeProcess } from "../../../../node/metrics/process.ts";
import { ApplyStats } from "../../../../node/metrics/apply-stats.ts";
import { HealthStats } from "../../../../node/metrics/health-stats.ts";
import { RangeStats } from "../../../../node/metrics/range-stats.ts";
import { TransferStats } from "../../../../node/metrics/transfer-stats.ts";
import { parseMetrics, valueOf } from "../../../conformance/support/scrape.ts";
import type { MemberId } from "../../../../src/raft/types.ts";
import { Status, type Method, type ServerCall } from "../../../../src/grpc/service.ts";

const OBSERVED = [0.05, 0.1, 0.5, 10, 11];
const HELP = 'By\n"whom" \\ it is.';
const ODD = 'y"\\\n';

/** The lines that say something, in no order of labels. */
function lines(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, head = "", labels = "", rest = ""] = /^([^{]*)\{(.*)\}(.*)$/.exec(line) ?? [];
      return head === "" ? line : `${head}{${labels.split(",").toSorted().join(",")}}${rest}`;
    });
}

describe("an exposition", () => {
  it("prints what the client library prints for the same values", async () => {
    const ours = new Exposition();
    const histogram = new HandHistogram([0.1, 1, 10]);
    for (const value of OBSERVED) histogram.observe(value);
    expose(ours, "gauge", "a_gauge", "A gauge.", () => -7.5);
    expose(ours, "gauge", "an_end", "No end.", () => Number.POSITIVE_INFINITY);
    exposeLabelled(ours, "counter", "b_total", HELP, () => [
      [{ To: "x" }, 1],
      [{ To: ODD }, 2e21],
    ]);
    exposeHistograms(ours, "c_seconds", "C.", () => [[{ type: "t" }, histogram]]);
    exposeHistograms(ours, "d_seconds", "D.", () => [[{}, histogram]]);

    const registers = [new Registry()];
    new Gauge({ name: "a_gauge", help: "A gauge.", registers }).set(-7.5);
    new Gauge({ name: "an_end", help: "No end.", registers }).set(Number.POSITIVE_INFINITY);
    const counter = new Counter({ name: "b_total", help: HELP, labelNames: ["To"], registers });
    counter.inc({ To: "x" }, 1);
    counter.inc({ To: ODD }, 2e21);
    const options = { buckets: [0.1, 1, 10], registers };
    const labelled = new Histogram({
      name: "c_seconds",
      help: "C.",
      labelNames: ["type"],
      ...options,
    });
    const bare = new Histogram({ name: "d_seconds", help: "D.", ...options });
    for (const value of OBSERVED) {
      labelled.observe({ type: "t" }, value);
      bare.observe(value);
    }
    assert.deepEqual(lines(await ours.metrics()), lines((await registers[0]?.metrics()) ?? ""));
  });

  it("appends what a library keeps, and ends with a newline", async () => {
    const exposition = new Exposition(() => Promise.resolve("other 1\n"));
    expose(exposition, "gauge", "own", "Own.", () => 2);
    assert.equal(await exposition.metrics(), "# HELP own Own.\n# TYPE own gauge\nown 2\nother 1\n");
  });

  it("refuses a second metric of one name", () => {
    const exposition = new Exposition();
    expose(exposition, "gauge", "same", "", () => 1);
    assert.throws(() => expose(exposition, "gauge", "same", "", () => 1), /same is exposed twice/);
  });
});

describe("process metrics", () => {
  it("count from the start of the process, and have what every library has", async () => {
    const exposition = new Exposition();
    exposeProcess(exposition);
    const metrics = parseMetrics(await exposition.metrics());
    const { user, system } = process.cpuUsage();
    const cpu = valueOf(metrics.get("process_cpu_seconds_total")) ?? 0;
    assert.ok(cpu > 0.02 && cpu <= (user + system) / 1e6, `${cpu}`);
    const started = valueOf(metrics.get("process_start_time_seconds")) ?? 0;
    assert.ok(Math.abs(Date.now() / 1000 - process.uptime() - started) < 1);
    assert.ok((valueOf(metrics.get("process_resident_memory_bytes")) ?? 0) > 1e7);
    assert.equal(metrics.get("process_cpu_seconds_total")?.type, "counter");
    for (const name of ["process_open_fds", "process_max_fds", "os_fd_used", "os_fd_limit"]) {
      assert.ok((valueOf(metrics.get(name)) ?? 0) > 0, name);
    }
  });
});

describe("histograms by hand", () => {
  it("have bounds that double", () => {
    assert.deepEqual(exponentialBounds(0.001, 2, 4), [0.001, 0.002, 0.004, 0.008]);
  });

  it("take many equal observations as so many single ones", () => {
    const [one, many] = [new HandHistogram([1, 2]), new HandHistogram([1, 2])];
    for (let time = 0; time < 5; time++) one.observe(1.5);
    many.observeMany(1.5, 5);
    assert.deepEqual(many, one);
  });
});

/** A call of a client that says it speaks `version`. */
function callOf(version: string | undefined): ServerCall {
  return { header: () => version } as unknown as ServerCall;
}

describe("calls", () => {
  const unary: Method = { kind: "unary", handle: () => {}, onCancel: null };
  const path = "/etcdserverpb.KV/Put";

  it("are counted by method and status, and told of where a unary one was slow", () => {
    const slow: unknown[] = [];
    const calls = new CallStats(new Map([[path, unary]]), true, 300, (...of) => slow.push(of));
    calls.onStart(unary, path);
    calls.onStart(unary, path);
    calls.onStart(unary, "/unknown/Method");
    calls.onEnd(unary, path, Status.ok, 20);
    calls.onEnd(unary, path, Status.unavailable, 301);
    calls.onEnd(unary, "/unknown/Method", Status.unimplemented, 400);
    const stats = calls.byPath.get(path);
    assert.equal(stats?.service, "etcdserverpb.KV");
    assert.equal(stats.method, "Put");
    assert.equal(stats.started, 2);
    assert.equal(stats.handled[Status.ok], 1);
    assert.equal(stats.handled[Status.unavailable], 1);
    assert.equal(stats.handling?.count, 2);
    assert.deepEqual(slow, [[path, Status.unavailable, 301, null]]);
  });

  it("are counted by the client's version, of which there are never too many", () => {
    const calls = new CallStats(new Map([[path, unary]]), false, 300, () => {});
    for (const version of ["3.6", "3.6", undefined, "3.5", "3.6"]) {
      calls.onStart(unary, path, callOf(version));
    }
    assert.deepEqual(calls.clientRequests(), [
      [{ client_api_version: "unknown", type: "unary" }, 1],
      [{ client_api_version: "3.6", type: "unary" }, 3],
      [{ client_api_version: "3.5", type: "unary" }, 1],
    ]);
    for (let at = 0; at < 1000; at++) calls.onStart(unary, path, callOf(`v${at}`));
    const samples = calls.clientRequests();
    assert.ok(samples.length < 40);
    assert.equal(
      samples.reduce((sum, [, count]) => sum + count, 0),
      1005,
    );
  });
});

describe("statistics", () => {
  it("of applies count each entry with the mean of its group", () => {
    const applies = new ApplyStats();
    for (const ok of [true, true, true, false]) applies.onApplied("put", ok);
    applies.onClock(0.004);
    applies.onClock(9);
    applies.onApplied("deleteRange", true);
    applies.onClock(0.5);
    const seen = Array.from(applies.outcomes(), ({ op, succeeded, seconds }) => {
      return [op, succeeded, seconds.count, seconds.sum];
    });
    assert.deepEqual(seen, [
      ["Put", true, 3, 0.003],
      ["DeleteRange", true, 1, 0.5],
      ["Put", false, 1, 0.001],
    ]);
  });

  it("of ranges time every 16th and count them all", () => {
    const ranges = new RangeStats();
    for (let at = 0; at < 1 + 160; at++) if (ranges.isSampled()) ranges.onSampled(0.001);
    ranges.onEnd(1, false);
    assert.deepEqual([ranges.succeeded.count, ranges.failed.count], [161, 1]);
  });

  it("of health keep the last outcome of each check", () => {
    const health = new HealthStats();
    health.onCheck("readyz", "linearizable_read", true);
    health.onCheck("readyz", "linearizable_read", false);
    const [check] = health.checks.values();
    assert.deepEqual([check?.succeeded, check?.failed, check?.lastOk], [1, 1, false]);
  });

  it("of transfers tell what is under way from what has ended", () => {
    const transfers = new TransferStats();
    const first = transfers.begin(7n as MemberId, 0);
    const second = transfers.begin(7n as MemberId, 0);
    first(1500, true, 100);
    const of = transfers.byPeer.get(7n as MemberId);
    assert.deepEqual([of?.inFlight, of?.succeeded, of?.failed, of?.bytes], [1, 1, 0, 100]);
    second(1600, false, 0);
    assert.deepEqual([of?.inFlight, of?.failed, of?.seconds.sum], [0, 1, 1.5]);
  });
});
