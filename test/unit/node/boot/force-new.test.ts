/** A member that becomes the only one of another cluster: from real files, cut off before each step. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { applyLog } from "../../../../node/apply-log.ts";
import { ForceRefusal, type ForceWish } from "../../../../node/boot/force-new.ts";
import { monotonicClock } from "../../../../node/clock.ts";
import { type Config, loadConfig } from "../../../../node/config.ts";
import { DataDir } from "../../../../node/data-dir.ts";
import { MemberStats } from "../../../../node/metrics/stats.ts";
import { type Opened, openMember } from "../../../../node/open.ts";
import {
  type CommandKind,
  membershipChange,
  MembershipChangeKind,
  storedMember,
} from "../../../../src/api/gen/command.ts";
import { AlarmAction, alarmRequest, AlarmType } from "../../../../src/api/gen/maintenance.ts";
import { putRequest } from "../../../../src/api/gen/kv.ts";
import { leaseGrantRequest } from "../../../../src/api/gen/lease.ts";
import { silentLogger } from "../../../../src/base/ports.ts";
import {
  EntryKind,
  type Index,
  makeEntry,
  type MemberId,
  type Term,
} from "../../../../src/raft/types.ts";
import { entryData } from "../../machine/fixture.ts";
import { mountSmall } from "../process/small-disk.ts";

const CLUSTER = "a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3";
const TICKET: ForceWish = { nonce: "force-1", fenceIncarnation: 2 };
const COMMITTED = 40;
const LAST = 60;
const TERM = 5 as Term;

class Place implements Disposable {
  readonly folder: string;
  readonly root: string;
  readonly dir: DataDir;

  constructor(below: string = tmpdir()) {
    this.folder = mkdtempSync(join(below, "quorate-force-"));
    this.root = join(this.folder, "a");
    this.dir = new DataDir(this.root, null);
  }

  config(...more: readonly string[]): Config {
    const own = ["--name=a", "--initial-advertise-peer-urls=http://127.0.0.1:1"];
    const sizes = ["--wal-segment-bytes=4194304"];
    const cluster = [`--data-dir=${this.root}`, `--initial-cluster=${CLUSTER}`];
    return loadConfig([...own, ...cluster, ...sizes, ...more], {});
  }

  async open(
    force: ForceWish | null = null,
    onStage: (stage: string) => void = () => {},
  ): Promise<Opened> {
    return await openMember({
      config: this.config(),
      logger: { ...silentLogger, dropped: 0, flush() {} },
      dial: () => assert.fail("nobody is asked"),
      birth: null,
      force,
      onStage,
      clock: monotonicClock,
      stats: new MemberStats(),
      onLogFull: () => {},
      onFatal: (error) => assert.fail(String(error)),
    });
  }

  copy(): Place {
    const other = new Place();
    cpSync(this.root, other.root, { recursive: true });
    return other;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function close(opened: Opened): Promise<void> {
  await opened.machine.close();
  await opened.wal.close();
  opened.life.over();
  await opened.unlock();
}

function put(key: string): CommandKind {
  return { kind: "put", value: putRequest({ key: Buffer.from(key), value: Buffer.from(key) }) };
}

/** What entry `index` says: a lease, a learner, a removal among puts; behind the commit index its own removal, and an alarm. */
function commandAt(index: number, own: bigint, others: readonly bigint[]): CommandKind {
  const change = (kind: number, id: bigint, peerUrls: string[] = []): CommandKind => ({
    kind: "membership",
    value: membershipChange({ kind, member: storedMember({ id, peerUrls }) }),
  });
  switch (index) {
    case 3:
      return { kind: "leaseGrant", value: leaseGrantRequest({ id: 7n, ttl: 600 }) };
    case 5:
      return change(MembershipChangeKind.addLearner, 99n, ["http://127.0.0.1:9"]);
    case 7:
      return change(MembershipChangeKind.remove, others[1] ?? 0n);
    case LAST - 1:
      return change(MembershipChangeKind.remove, own);
    case LAST: {
      const memberId = others[0] ?? 0n;
      const { activate: action } = AlarmAction;
      return { kind: "alarm", value: alarmRequest({ action, memberId, alarm: AlarmType.corrupt }) };
    }
    default:
      return put(`k${index}`);
  }
}

/** One of three members: its log holds more than it knows to be committed, its store less. */
async function makeMember(place: Place): Promise<{ own: bigint; others: readonly bigint[] }> {
  const opened = await place.open();
  const own = opened.identity.memberId;
  const others = opened.machine.members
    .list()
    .map(({ id }) => id)
    .filter((id) => id !== own);
  const entries = Array.from({ length: LAST - 1 }, (_, at) => {
    const data = entryData(at + 2, commandAt(at + 2, own, others));
    return makeEntry(TERM, (at + 2) as Index, EntryKind.normal, data);
  });
  const hardState = { term: TERM, vote: own as MemberId, commit: COMMITTED as Index };
  await new Promise<void>((resolve) => opened.wal.append(entries, hardState, resolve));
  await applyLog(opened.machine, opened.wal, COMMITTED, null);
  await close(opened);
  return { own, others };
}

interface Found {
  readonly clusterId: string;
  readonly memberId: bigint;
  readonly fenceIncarnation: number;
  readonly usedNonce: string | null;
  readonly revision: number;
  readonly keys: number;
  readonly hash: number;
  readonly leases: boolean;
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  readonly removed: readonly bigint[];
  readonly alarms: number;
  readonly lastIndex: number;
  readonly applied: number;
  readonly term: number;
  readonly vote: bigint;
  readonly commit: number;
}

/** Opens it as a start would, looks, and closes it. */
async function look(place: Place, force: ForceWish | null = null): Promise<Found> {
  const opened = await place.open(force);
  const { identity, machine, wal, hardState } = opened;
  const hash = await machine.store.hash(0, new AbortController().signal);
  assert.equal(hash.kind, "hash");
  const found: Found = {
    clusterId: identity.clusterId.toString(16),
    memberId: identity.memberId,
    fenceIncarnation: identity.fenceIncarnation,
    usedNonce: identity.usedNonce,
    revision: machine.store.revision,
    keys: machine.store.keyCount,
    hash: hash.kind === "hash" ? hash.hash.hash : 0,
    leases: machine.lessor.has(7n),
    ...machine.membership(),
    removed: [...machine.members.removed].toSorted((a, b) => (a < b ? -1 : 1)),
    alarms: machine.alarms.list().length,
    lastIndex: wal.lastIndex(),
    applied: machine.appliedIndex,
    term: hardState.term,
    vote: hardState.vote,
    commit: hardState.commit,
  };
  await close(opened);
  return found;
}

/** The state with all of the log, by applying it as a follower does. */
async function twin(place: Place): Promise<Found> {
  using other = place.copy();
  const opened = await other.open();
  await applyLog(opened.machine, opened.wal, LAST, null);
  await close(opened);
  return await look(other);
}

/** Every step of a forced cluster, in order. */
const STAGES = [
  "copying the data aside",
  "applying all that the log holds",
  "writing down what this member has become",
  "adopting the new state",
  "beginning a new log",
  "taking the new identity",
  "ending the order",
];
const WRITTEN = STAGES.indexOf("adopting the new state");

describe("a member that is to be the only one", () => {
  it("has all of its log, is a voter alone, and of a cluster that nobody else is of", async () => {
    using place = new Place();
    const { own, others } = await makeMember(place);
    const before = await look(place);
    const all = await twin(place);
    assert.ok(all.revision > before.revision, "the log holds more than was committed");
    assert.ok(all.removed.includes(own), "its end removes this member");
    assert.equal(all.alarms, 1, "and raises an alarm of another");

    const stages: string[] = [];
    await close(await place.open(TICKET, (stage) => stages.push(stage)));
    assert.deepEqual(stages, STAGES);
    const forced = await look(place);
    assert.deepEqual(forced, {
      ...all,
      clusterId: forced.clusterId,
      memberId: own,
      fenceIncarnation: 2,
      usedNonce: "force-1",
      voters: [own],
      learners: [],
      removed: [...others, 99n].toSorted((a, b) => (a < b ? -1 : 1)),
      alarms: 0,
      lastIndex: LAST + 1,
      applied: LAST + 1,
      term: TERM + 1,
      vote: 0n,
      commit: LAST + 1,
    });
    assert.notEqual(forced.clusterId, before.clusterId);
    assert.deepEqual(await look(place), forced, "and stays so");
    assert.deepEqual(readdirSync(place.dir.member).toSorted(), [
      "FORMAT",
      "IDENTITY",
      "LOCK",
      "PEERS",
      "STORE",
      "store.1",
      "wal",
    ]);
  });

  it("leaves a copy aside that is the member that it was", async () => {
    using place = new Place();
    await makeMember(place);
    const before = await look(place);
    await close(await place.open(TICKET));
    rmSync(place.dir.member, { recursive: true });
    cpSync(join(place.root, "member.before-force-1"), place.dir.member, { recursive: true });
    assert.deepEqual(await look(place), before);
  });

  for (const [at, stage] of STAGES.entries()) {
    it(`cut off before "${stage}" comes to the same, and is never half`, async () => {
      using place = new Place();
      await makeMember(place);
      const before = await look(place);
      using whole = place.copy();
      const forced = await look(whole, TICKET);

      const cut = place.open(TICKET, (now) => {
        if (now === stage) throw new Error("cut off");
      });
      await assert.rejects(cut, at < WRITTEN ? ForceRefusal : /^Error: cut off/);
      using withdrawn = place.copy();
      assert.deepEqual(await look(place, TICKET), forced, "asked for again");
      assert.deepEqual(await look(place), forced);
      // Once it is written down it does not matter whether anybody still asks for it.
      assert.deepEqual(await look(withdrawn), at < WRITTEN ? before : forced);
      assert.ok(!existsSync(join(withdrawn.dir.member, "FORCE")));
    });
  }

  it("by the flag begins one cluster, however often it is started with it", async () => {
    using place = new Place();
    const { own } = await makeMember(place);
    const before = await look(place);
    const flag: ForceWish = { nonce: null, fenceIncarnation: null };
    const forced = await look(place, flag);
    assert.deepEqual(forced.voters, [own]);
    assert.equal(forced.fenceIncarnation, before.fenceIncarnation + 1);
    assert.equal(forced.usedNonce, null);
    assert.deepEqual(await look(place, flag), forced);
    assert.ok(existsSync(join(place.root, `member.before-${before.clusterId}`)));
  });

  it("changes nothing where its data are not whole, and says why", async () => {
    const faults: readonly [string, (dir: DataDir) => void, RegExp][] = [
      ["without a log", (dir) => dir.dropLog(), /only member: .*wal holds no log/],
      [
        "with an order to be rebuilt",
        (dir) => dir.writeText("REPAIR", "{}"),
        /only member: its data are damaged/,
      ],
      [
        "with a damaged log",
        (dir) => writeFileSync(join(dir.wal, "0000000000000001.wal"), "no log"),
        /only member: /,
      ],
    ];
    for (const [claim, damage, reason] of faults) {
      using place = new Place();
      await makeMember(place);
      damage(place.dir);
      const { clusterId } = place.dir.readIdentity();
      await assert.rejects(place.open(TICKET), (error) => {
        assert.ok(error instanceof ForceRefusal, claim);
        assert.match(error.message, reason, claim);
        return true;
      });
      assert.equal(place.dir.readIdentity().clusterId, clusterId, claim);
      assert.ok(!existsSync(join(place.dir.member, "FORCE")), claim);
    }
  });

  it("changes nothing where there is no room for the copy, and begins once there is", async (context) => {
    const small = mountSmall(90);
    if (typeof small === "string") {
      context.skip(small);
      return;
    }
    using mounted = small;
    using place = new Place(mounted.path);
    await makeMember(place);
    const ballast = join(mounted.path, "ballast");
    writeFileSync(ballast, Buffer.alloc(20 * 1024 * 1024, 1));
    const before = await look(place);
    await assert.rejects(
      place.open(TICKET),
      /no room to copy the data aside: \d+ bytes are needed/,
    );
    assert.deepEqual(readdirSync(place.root), ["member"], "nothing is left of it");
    assert.deepEqual(await look(place), before);
    rmSync(ballast);
    assert.notEqual((await look(place, TICKET)).clusterId, before.clusterId);
  });
});
