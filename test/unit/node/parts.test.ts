/** The small parts of a member, each by its own rules. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { AutoCompaction } from "../../../node/auto-compaction.ts";
import { DataDir, NO_FENCE } from "../../../node/data-dir.ts";
import { clusterId, memberId } from "../../../node/ids.ts";
import { reconfigurationRefusal } from "../../../node/reconfiguration.ts";
import { RequestIds } from "../../../node/request-ids.ts";
import { API_ERRORS } from "../../../src/api/catalogue.ts";
import { storedMember } from "../../../src/api/gen/command.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import type { MemberId } from "../../../src/raft/types.ts";

function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "quorate-parts-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

describe("ids", () => {
  it("are etcd's for etcd's default member", () => {
    const id = memberId(["http://localhost:2380"], "etcd-cluster", null);
    assert.equal(id.toString(16), "8e9e05c52164694d");
    assert.equal(clusterId([id]).toString(16), "cdf818194e3a8c32");
  });

  it("do not depend on the order of URLs or members, and do on token and time", () => {
    const id = memberId(["http://b:1", "http://a:1"], "t", null);
    assert.equal(memberId(["http://a:1", "http://b:1"], "t", null), id);
    const others = [
      memberId(["http://a:1"], "t", null),
      memberId(["http://a:1", "http://b:1"], "u", null),
      memberId(["http://a:1", "http://b:1"], "t", 5_000),
      memberId(["http://a:1", "http://b:1"], "t", 6_000),
    ];
    assert.equal(new Set([id, ...others]).size, 5);
    assert.equal(clusterId(others), clusterId(others.toReversed()));
    assert.notEqual(clusterId(others), clusterId(others.slice(1)));
  });
});

describe("request ids", () => {
  it("have the member's low 16 bits, ascend, fit 48 bits and begin above those of an earlier start", () => {
    const member = 0xfedcba9876543210n as MemberId;
    const now = Date.UTC(2026, 0, 1);
    const first = new RequestIds(member, now);
    assert.equal(first.prefix, 0x3210);
    let last = 0;
    for (let count = 0; count < 1000; count++) {
      const next = first.next();
      assert.ok(next > last && next < 2 ** 48);
      last = next;
    }
    assert.ok(new RequestIds(member, now + 10).next() > last);
  });

  it("make positive lease ids", () => {
    const ids = new RequestIds(0xffffn as MemberId, 2 ** 40 - 1);
    const leases = new Set(Array.from({ length: 500 }, () => ids.nextLease()));
    assert.equal(leases.size, 500);
    for (const id of leases) assert.ok(id > 0n && id < 1n << 63n);
  });
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Ticks each second as the member does; the times and revisions of what was compacted. */
function compactions(
  auto: AutoCompaction,
  hours: number,
  revisionAt: (ms: number) => number,
): { readonly minute: number; readonly at: number }[] {
  const found: { readonly minute: number; readonly at: number }[] = [];
  for (let now = 0; now <= hours * HOUR; now += 1000) {
    const at = auto.tick(now, revisionAt(now));
    if (at !== null) found.push({ minute: Math.round(now / MINUTE), at });
  }
  return found;
}

describe("automatic compaction", () => {
  it("by age keeps the period: first after it, then each hour at most, at the revision of a period ago", () => {
    const auto = new AutoCompaction({ mode: "periodic", periodMs: 5 * HOUR });
    const found = compactions(auto, 8, (ms) => 1 + Math.floor(ms / MINUTE));
    assert.deepEqual(
      found.map(({ minute }) => minute),
      [300, 360, 420, 480],
    );
    for (const { minute, at } of found) assert.ok(Math.abs(minute - 300 + 1 - at) <= 6, `${at}`);
  });

  it("by a short age compacts each period", () => {
    const auto = new AutoCompaction({ mode: "periodic", periodMs: 10 * MINUTE });
    const found = compactions(auto, 1, (ms) => 1 + Math.floor(ms / MINUTE));
    assert.deepEqual(
      found.map(({ minute }) => minute),
      [10, 20, 30, 40, 50, 60],
    );
    for (const { minute, at } of found) assert.ok(at <= minute - 10 + 1, "never newer than asked");
  });

  it("by count leaves so many revisions, each five minutes", () => {
    const auto = new AutoCompaction({ mode: "revision", revisions: 100 });
    const found = compactions(auto, 0.5, (ms) => 10 + Math.floor((ms / MINUTE) * 20));
    assert.deepEqual(found, [
      { minute: 5, at: 10 },
      { minute: 10, at: 110 },
      { minute: 15, at: 210 },
      { minute: 20, at: 310 },
      { minute: 25, at: 410 },
      { minute: 30, at: 510 },
    ]);
  });

  it("does nothing where nothing was written, where it is off, and anew after it stopped leading", () => {
    assert.deepEqual(
      compactions(new AutoCompaction({ mode: "off" }), 2, () => 500),
      [],
    );
    const idle = new AutoCompaction({ mode: "periodic", periodMs: HOUR });
    assert.equal(compactions(idle, 5, () => 500).length, 1);
    const led = new AutoCompaction({ mode: "periodic", periodMs: HOUR });
    for (let now = 0; now < HOUR - 1000; now += 1000) led.tick(now, 5);
    led.reset();
    assert.equal(led.tick(HOUR + 1000, 5), null);
  });
});

describe("strict reconfiguration", () => {
  /** Letters: a voter each; upper case has started, `!` is not heard. l: a started learner. */
  function facts(text: string): Parameters<typeof reconfigurationRefusal>[2] {
    const words = text.split(" ");
    const members = words.map((word, at) =>
      storedMember({
        id: BigInt(at + 1),
        name: word[0] === word[0]?.toUpperCase() || word[0] === "l" ? word : "",
        isLearner: word[0] === "l",
      }),
    );
    const heard = members.filter((_, at) => !words[at]?.endsWith("!"));
    return { members, active: new Set(heard.map(({ id }) => id as MemberId)) };
  }

  const started = API_ERRORS.notEnoughStarted;
  const unhealthy = API_ERRORS.unhealthy;

  it("lets a voter in where the larger quorum is started and heard", () => {
    const table: readonly [string, unknown][] = [
      ["A", null],
      ["a", started],
      ["A B", null],
      ["A b!", started],
      ["A B!", unhealthy],
      ["A B C", null],
      ["A B c", started],
      ["A B C!", unhealthy],
      ["A B C D E!", null],
      ["A B C D! E!", unhealthy],
      ["A B l!", null],
      ["A l", null],
    ];
    for (const [text, expected] of table) {
      assert.equal(
        reconfigurationRefusal("addVoter", 99n as MemberId, facts(text)),
        expected,
        text,
      );
    }
  });

  it("lets a voter go where the rest is a started, heard quorum", () => {
    const table: readonly [string, bigint, unknown][] = [
      ["A", 1n, started],
      ["A B", 2n, null],
      ["A B!", 2n, null],
      ["A B!", 1n, unhealthy],
      ["A b", 1n, started],
      ["A b", 2n, null],
      ["A B C!", 3n, null],
      ["A B C!", 2n, unhealthy],
      ["A B C D! E!", 1n, unhealthy],
      ["A B C D! E!", 5n, null],
      ["A l!", 2n, null],
      ["A B", 7n, null],
    ];
    for (const [text, id, expected] of table) {
      assert.equal(
        reconfigurationRefusal("remove", id as MemberId, facts(text)),
        expected,
        `${text} without ${id}`,
      );
    }
  });
});

describe("the data directory", () => {
  const identity = {
    clusterId: 0xabcn,
    memberId: 0xffff_ffff_ffff_fff0n as MemberId,
    incarnation: 2n,
    ...NO_FENCE,
  };

  it("is inhabited once its identity is written, and tells it again", () => {
    using directory = scratch();
    const dir = new DataDir(join(directory.path, "d"), null);
    dir.prepare(silentLogger);
    assert.equal(dir.isInhabited, false);
    dir.writeIdentity(identity);
    assert.equal(dir.isInhabited, true);
    assert.deepEqual(dir.readIdentity(), identity);
    dir.checkFormat();
    assert.deepEqual(readdirSync(dir.member).toSorted(), ["FORMAT", "IDENTITY", "wal"]);
  });

  it("keeps what tickets gave, opens without it, and keeps the tombstone of who was removed", () => {
    using directory = scratch();
    const dir = new DataDir(directory.path, null);
    dir.prepare(silentLogger);
    const fenced = { ...identity, fenceIncarnation: 3, usedNonce: "n-1" };
    dir.writeIdentity(fenced);
    assert.deepEqual(dir.readIdentity(), fenced);
    const path = join(dir.member, "IDENTITY");
    writeFileSync(path, '{"clusterId":"abc","memberId":"fffffffffffffff0","incarnation":"2"}\n');
    assert.deepEqual(dir.readIdentity(), identity, "as releases before wrote it");
    dir.writeIdentity(identity);
    assert.doesNotMatch(readFileSync(path, "utf8"), /fence|nonce/i, "as they read it");
    for (const wrong of ['"fenceIncarnation":0', '"fenceIncarnation":"2"', '"usedNonce":1']) {
      writeFileSync(path, `{"clusterId":"1","memberId":"1","incarnation":"1",${wrong}}`);
      assert.throws(() => dir.readIdentity(), /holds no valid fence/, wrong);
    }
    assert.equal(dir.isRemoved, false);
    dir.bury("the member has been removed from the cluster");
    assert.equal(new DataDir(directory.path, null).isRemoved, true);
  });

  it("of a newer release is refused by the name of what is newer", () => {
    using directory = scratch();
    const dir = new DataDir(directory.path, null);
    dir.prepare(silentLogger);
    const path = join(dir.member, "FORMAT");
    writeFileSync(path, JSON.stringify({ log: 1, store: 2, snapshot: 1 }));
    assert.throws(() => dir.checkFormat(), /names store format 2, this program knows up to 1/);
    writeFileSync(path, JSON.stringify({ log: 1, snapshot: 1 }));
    assert.throws(() => dir.checkFormat(), /store format undefined/);
    for (const text of ["{", "3", "null"]) {
      writeFileSync(path, text);
      assert.throws(() => dir.checkFormat(), { code: "corruption" });
    }
    for (const text of ["{}", '{"clusterId":"0x1","memberId":"1","incarnation":"1"}', "7"]) {
      writeFileSync(join(dir.member, "IDENTITY"), text);
      assert.throws(() => dir.readIdentity(), { code: "corruption" });
    }
  });

  it("follows its pointer to the adopted store, and drops the others", () => {
    using directory = scratch();
    const dir = new DataDir(directory.path, null);
    dir.prepare(silentLogger);
    mkdirSync(dir.storePath());
    const next = dir.incomingPath();
    assert.notEqual(next, dir.storePath());
    writeFileSync(join(next, "half"), "");
    assert.equal(dir.incomingPath(), next, "a former attempt is taken up anew");
    assert.deepEqual(readdirSync(next), []);
    dir.adoptStore(next);
    assert.equal(new DataDir(directory.path, null).storePath(), next);
    dir.dropUnusedStores();
    assert.deepEqual(readdirSync(dir.member).toSorted(), ["STORE", "store.1", "wal"]);
    assert.match(dir.incomingPath(), /store\.2$/);
  });

  it("gives up what a first start left half-way, and nothing that is not ours", () => {
    using directory = scratch();
    const dir = new DataDir(join(directory.path, "d"), join(directory.path, "w"));
    dir.prepare(silentLogger);
    for (const name of ["FORMAT", "IDENTITY.new", "STORE"])
      writeFileSync(join(dir.member, name), "x");
    mkdirSync(join(dir.member, "store.0"));
    for (const name of ["0000000000000001.wal", "0000000000000002.wal.tmp", "vote"]) {
      writeFileSync(join(dir.wal, name), "");
    }
    mkdirSync(join(dir.wal, "lost+found"));
    assert.equal(dir.hasLog, true);
    dir.checkForeign();
    dir.dropUnfinished();
    assert.deepEqual(readdirSync(dir.member), []);
    assert.deepEqual(readdirSync(dir.wal), ["lost+found"]);
    assert.equal(dir.hasLog, false);
    writeFileSync(join(dir.wal, "note"), "mine");
    assert.throws(() => dir.checkForeign(), /note is not Quorate's/);
    dir.dropUnfinished();
    assert.equal(readFileSync(join(dir.wal, "note"), "utf8"), "mine");
  });
});
