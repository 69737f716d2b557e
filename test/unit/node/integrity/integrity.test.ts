import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { LevelBackend } from "../../../../src/backend/level.ts";
import { QuorateError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/ports.ts";
import { storedMember } from "../../../../src/api/gen/command.ts";
import type { MemberId, Term } from "../../../../src/raft/types.ts";
import { buildConfig } from "../../../../node/config.ts";
import { DataDir, NO_FENCE } from "../../../../node/data-dir.ts";
import { canRebuild, describeFinding, findingOf } from "../../../../node/integrity/damage.ts";
import { Life } from "../../../../node/integrity/life.ts";
import { endOrder, planOrder, readOrder, writeOrder } from "../../../../node/integrity/order.ts";
import { keepPeers, readPeers } from "../../../../node/integrity/peers-file.ts";
import { judge } from "../../../../node/integrity/verdict.ts";

const id = (value: bigint): MemberId => value as MemberId;
const [one, two, three, four, five] = [id(1n), id(2n), id(3n), id(4n), id(5n)];

function scratch(): { readonly dir: DataDir } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "quorate-integrity-"));
  const dir = new DataDir(path, null);
  dir.prepare(silentLogger);
  return { dir, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function config(values: Readonly<Record<string, string>>): ReturnType<typeof buildConfig> {
  return buildConfig({ values: new Map(Object.entries(values)), warnings: [] });
}

describe("judge", () => {
  const hashes = (...each: readonly (readonly [MemberId, number])[]): Parameters<typeof judge>[0] =>
    each.map(([member, hash]) => ({ id: member, hash }));

  it("finds nothing where all that answered hold the same, or nobody did", () => {
    assert.deepEqual(judge(hashes([one, 7], [two, 7]), 3), { kind: "equal" });
    assert.deepEqual(judge(hashes([one, 7]), 5), { kind: "equal" });
  });

  it("condemns whoever differs from a majority of all members", () => {
    const verdict = judge(hashes([one, 7], [two, 8], [three, 7]), 3);
    assert.deepEqual(verdict, { kind: "minority", condemned: [two] });
    const both = judge(hashes([one, 1], [two, 7], [three, 7], [four, 2], [five, 7]), 5);
    assert.deepEqual(both, { kind: "minority", condemned: [one, four] });
  });

  it("condemns nobody without such a majority", () => {
    assert.deepEqual(judge(hashes([one, 7], [two, 8]), 2), { kind: "split" });
    assert.deepEqual(judge(hashes([one, 1], [two, 2], [three, 3]), 3), { kind: "split" });
    // Two of the three that answered agree, but two of five are no majority.
    assert.deepEqual(judge(hashes([one, 7], [two, 7], [three, 8]), 5), { kind: "split" });
  });
});

describe("an order to rebuild", () => {
  it("is read as it was written, and ends", () => {
    using place = scratch();
    assert.equal(readOrder(place.dir), null);
    const order = {
      reason: "log file x offset 4096: bad batch",
      log: true,
      kept: { term: 9 as Term, vote: two },
      avoid: [one, three],
      source: two,
      restarts: 2,
    };
    writeOrder(place.dir, order);
    assert.deepEqual(readOrder(new DataDir(place.dir.root, null)), order);
    endOrder(place.dir);
    assert.equal(readOrder(place.dir), null);
  });

  it("never forgets that the log was lost, nor the vote, and avoids whose state was damaged too", () => {
    const lost = { reason: "log", log: true, avoid: [] };
    const before = {
      ...planOrder(null, lost),
      kept: { term: 9 as Term, vote: two },
      source: three,
    };
    const next = planOrder(before, { reason: "store", log: false, avoid: [one] });
    assert.equal(next.log, true);
    assert.deepEqual(next.kept, before.kept);
    assert.deepEqual(new Set(next.avoid), new Set([one, three]));
    assert.equal(next.source, null);
    assert.equal(next.restarts, 2);
  });

  it("that nobody of ours wrote is refused", () => {
    using place = scratch();
    for (const text of ["{", "{}", '{"avoid":["x"]}', '{"avoid":[],"source":"-1"}']) {
      writeFileSync(join(place.dir.member, "REPAIR"), text);
      assert.throws(() => readOrder(place.dir), { code: "configuration", message: /REPAIR/ });
    }
  });
});

describe("what was damaged", () => {
  it("is set aside once: the former one goes", () => {
    using place = scratch();
    const { dir } = place;
    for (const round of ["first", "second"]) {
      mkdirSync(dir.storePath());
      writeFileSync(join(dir.storePath(), round), "");
      writeFileSync(join(dir.wal, "0000000000000001.wal"), round);
      dir.setStoreAside();
      dir.setLogAside();
      dir.setStoreAside();
      dir.setLogAside();
    }
    assert.deepEqual(readdirSync(join(dir.member, "damaged")), ["second"]);
    assert.deepEqual(readdirSync(join(dir.wal, "damaged")), ["0000000000000001.wal"]);
    assert.equal(dir.hasLog, false);
  });

  it("is a finding by its code alone, and the line names the way out", () => {
    using place = scratch();
    const error = new QuorateError("logCorruption", "log file x offset 4096: bad batch");
    assert.deepEqual(findingOf(error), { reason: error.message, log: true, avoid: [] });
    assert.equal(findingOf(new QuorateError("corruption", "bad"))?.log, false);
    assert.equal(findingOf(new QuorateError("storage", "disk")), null);
    assert.equal(findingOf(new Error("corruption")), null);
    const alone = config({ "data-dir": place.dir.root, "corruption-repair": "true" });
    const finding = { reason: "bad", log: false, avoid: [] };
    assert.match(describeFinding(alone, finding), /^bad: there is no peer .* restore a snapshot$/);
    assert.equal(canRebuild(alone), false);
    place.dir.writeIdentity({ clusterId: 1n, memberId: one, incarnation: 1n, ...NO_FENCE });
    keepPeers(place.dir, [storedMember({ id: 2n, peerUrls: ["http://127.0.0.1:1"] })], one);
    assert.match(describeFinding(alone, finding), /--corruption-repair .* remove the member/);
    assert.equal(canRebuild(alone), true);
    assert.equal(canRebuild(config({ "data-dir": place.dir.root })), false);
    writeFileSync(join(place.dir.member, "IDENTITY"), "{");
    assert.equal(canRebuild(alone), false, "who it is must be known");
  });
});

describe("the peers' addresses", () => {
  it("are kept without this member's own, and written only when they change", () => {
    using place = scratch();
    const members = [
      storedMember({ id: 1n, peerUrls: ["http://a:1"] }),
      storedMember({ id: 3n, peerUrls: ["http://c:1", "http://c:2"] }),
      storedMember({ id: 2n, peerUrls: ["http://b:1"] }),
    ];
    keepPeers(place.dir, members, 1n);
    assert.deepEqual(readPeers(place.dir), ["http://b:1", "http://c:1", "http://c:2"]);
    rmSync(join(place.dir.member, "PEERS"));
    assert.deepEqual(readPeers(place.dir), []);
  });
});

describe("flags about damage", () => {
  it("take etcd's names of today and yesterday", () => {
    const of = (values: Readonly<Record<string, string>>) => config(values).integrity;
    const day = 86_400_000;
    const off = { initialCheck: false, checkMs: 0, compactHashCheckMs: 0, scrubMs: day };
    assert.deepEqual(of({}), off);
    const gates = { "feature-gates": "InitialCorruptCheck=true,CompactHashCheck=true" };
    assert.deepEqual(of({ ...gates, "corrupt-check-time": "5m", "scrub-interval": "0" }), {
      initialCheck: true,
      checkMs: 300_000,
      compactHashCheckMs: 60_000,
      scrubMs: 0,
    });
    const former = {
      "experimental-initial-corrupt-check": "true",
      "experimental-corrupt-check-time": "2s",
      "experimental-compact-hash-check-enabled": "true",
      "experimental-compact-hash-check-time": "3s",
    };
    assert.deepEqual(of(former), {
      initialCheck: true,
      checkMs: 2_000,
      compactHashCheckMs: 3_000,
      scrubMs: day,
    });
  });

  it("refuse a gate that etcd does not have, and one that is neither true nor false", () => {
    assert.throws(() => config({ "feature-gates": "Nonsense=true" }), /unrecognized feature gate/);
    assert.throws(() => config({ "feature-gates": "CompactHashCheck" }), /=true or .*=false/);
  });
});

describe("the life of a process", () => {
  /** A store with a byte flipped that no start reads by itself: in the filter of its table. */
  async function damagedStore(dir: DataDir): Promise<void> {
    const backend = await LevelBackend.open(dir.storePath());
    await backend.commit([{ type: "put", key: Buffer.from("k"), value: Buffer.from("v") }]);
    await backend.flush();
    await backend.close();
    const name = readdirSync(dir.storePath()).find((each) => each.endsWith(".ldb")) ?? "";
    const path = join(dir.storePath(), name);
    const bytes = readFileSync(path);
    bytes[2] = (bytes[2] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  it("that ended within the opening of its store makes the next one read all checksums first", async () => {
    using place = scratch();
    await damagedStore(place.dir);
    const first = new Life(place.dir);
    await first.checkStore(place.dir.storePath(), silentLogger);
    const second = new Life(place.dir);
    const checked = second.checkStore(place.dir.storePath(), silentLogger);
    await assert.rejects(checked, { code: "corruption", message: /\.ldb is damaged/ });
  });

  it("may end once without a word while it serves, not again and again", async () => {
    using place = scratch();
    await damagedStore(place.dir);
    for (let killed = 0; killed < 2; killed++) {
      const life = new Life(place.dir);
      await life.checkStore(place.dir.storePath(), silentLogger);
      life.opened();
    }
    const third = new Life(place.dir);
    await assert.rejects(third.checkStore(place.dir.storePath(), silentLogger), {
      code: "corruption",
    });
    third.over();
    assert.equal(place.dir.readLife(), null);
    await new Life(place.dir).checkStore(place.dir.storePath(), silentLogger);
  });
});
