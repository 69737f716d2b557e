/** The operator's port to members, tried on members as they are: a seed, a learner, a voter, and what is asked on the way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdminAccess } from "../../operator/admin.ts";
import { MemberAdmins } from "../../operator/member-admin.ts";
import { until } from "../conformance/support/tools.ts";
import { BootCell, ticket } from "../unit/node/process/boot-cell.ts";

function accessTo(cell: BootCell, ...places: readonly number[]): AdminAccess {
  const members = places.map((at) => {
    const { name, clientUrl } = cell.member(at);
    return { name, client: clientUrl, probe: cell.probe(at) };
  });
  return { members, tls: null, rootPasswords: [] };
}

describe("the port to members", () => {
  it("takes a learner in, makes it a voter, moves the lead to it, and removes who led", async () => {
    await BootCell.with(2, async (cell) => {
      const seed = await cell.seed();
      const admins = new MemberAdmins();
      try {
        let admin = admins.reach("kv", accessTo(cell, 0));
        const { peerUrl } = cell.member(1);
        assert.deepEqual(
          (await admin.members()).map(({ id, isLearner }) => ({ id, isLearner })),
          [{ id: seed.memberId, isLearner: false }],
        );
        const id = await admin.addLearner(peerUrl);
        await assert.rejects(
          admin.addLearner(peerUrl),
          /Peer URLs already exists|too many learner/,
        );
        assert.equal(await admin.promote(id), false, "who never started has not caught up");

        cell.write(1, { ticket: ticket("join", "join-1", cell.cluster(0, 1)), fence: null });
        cell.start(1);
        const joined = await cell.awaitPhase(1, "Running");
        assert.equal(joined.memberId, id);
        admin = admins.reach("kv", accessTo(cell, 0, 1));
        assert.equal((await admin.boot("m1")).usedNonce, "join-1");
        await until("m1 is promoted", 20_000, async () => await admin.promote(id));
        assert.equal(await admin.promote(id), true, "again is no failure");
        await cell.awaitReady(1);

        await admin.moveLeader("m0", id);
        await until("m1 leads", 10_000, async () => (await admin.status("m1")).leader === id);
        const revision = await admin.readThrough("m1");
        const [one, other] = await Promise.all(
          ["m0", "m1"].map((at) => admin.hashKv(at, revision)),
        );
        assert.deepEqual(one, other);
        assert.deepEqual(await admin.alarms(), []);
        await admin.defragment("m0");

        await admin.remove(id);
        await admin.remove(id);
        await until("one is left", 10_000, async () => (await admin.members()).length === 1);
        const fenced = await cell.awaitPhase(1, "Fenced");
        assert.equal(fenced.memberId, id);
      } finally {
        admins.close();
      }
    });
  });

  it("moves a member to another URL, and fails where it is none", async () => {
    await BootCell.with(1, async (cell) => {
      const seed = await cell.seed();
      const admins = new MemberAdmins();
      try {
        const admin = admins.reach("kv", accessTo(cell, 0));
        const url = cell.member(0).peerUrl.replace(/^http:/, "https:");
        for (const _again of [1, 2]) await admin.move(seed.memberId ?? "", url);
        assert.deepEqual(
          (await admin.members()).map(({ peerUrls }) => peerUrls),
          [[url]],
        );
        await assert.rejects(admin.move("abc", url), /member not found/);
      } finally {
        admins.close();
      }
    });
  });

  it("makes root, and changes its password", async () => {
    await BootCell.with(1, async (cell) => {
      await cell.seed();
      const admins = new MemberAdmins();
      try {
        const access = accessTo(cell, 0);
        const open = admins.reach("kv", access);
        assert.equal(await open.authEnabled(), false);
        await open.secureRoot("first");
        const first = admins.reach("kv", { ...access, rootPasswords: ["first"] });
        assert.equal(await first.authEnabled(), true);
        await first.secureRoot("second");
        const second = admins.reach("kv", { ...access, rootPasswords: ["second"] });
        assert.equal((await second.members()).length, 1);
        const wrong = admins.reach("kv", { ...access, rootPasswords: ["first"] });
        await assert.rejects(wrong.members(), /authentication failed/);
        const unsure = { ...access, rootPasswords: ["first", "second", "third"] };
        assert.equal((await admins.reach("kv", unsure).members()).length, 1, "it is the second");
        await admins.reach("kv", unsure).secureRoot("third");
        assert.equal((await admins.reach("kv", unsure).members()).length, 1, "and then the third");
      } finally {
        admins.close();
      }
    });
  });

  it("fails where nobody answers, and is never an empty list", async () => {
    const admins = new MemberAdmins();
    const address = { name: "m0", client: "http://127.0.0.1:1", probe: "http://127.0.0.1:1" };
    try {
      const admin = admins.reach("kv", { members: [address], tls: null, rootPasswords: [] });
      await assert.rejects(admin.members());
      await assert.rejects(admin.boot("m0"), /ECONNREFUSED/);
      await assert.rejects(admin.boot("m7"), /m7 has no address/);
    } finally {
      admins.close();
    }
  });

  it("bears a cluster whose members are all gone, and finds them when they come back", async () => {
    await BootCell.with(1, async (cell) => {
      await cell.seed();
      const admins = new MemberAdmins();
      try {
        assert.equal((await admins.reach("kv", accessTo(cell, 0)).members()).length, 1);
        const nobody = admins.reach("kv", accessTo(cell));
        await assert.rejects(nobody.members(), /endpoint/);
        assert.equal((await admins.reach("kv", accessTo(cell, 0)).members()).length, 1);
      } finally {
        admins.close();
      }
    });
  });
});
