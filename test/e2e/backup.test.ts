/**
 * Backups to S3 and to a claim, by hand and by schedule, and what is made of them: another cluster, the same one as it was, and
 * nothing at all where the stored file is damaged. All of it under load.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { QuorateBackup } from "../../operator/api/gen/types.ts";
import {
  backupNames,
  completed,
  expiredOf,
  makeBackup,
  makeSchedule,
  restingWith,
} from "./support/backups.ts";
import { conditionIn } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { commonHash, expectedHash, restoredRevision, revisionOf } from "./support/hash.ts";
import { NO_S3, ObjectStore } from "./support/object-store.ts";
import { installOperator } from "./support/operator.ts";
import { Plugin } from "./support/plugin.ts";
import { CLAIM_DIR, Toolbox, createClaim } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

const NAMESPACE = "e2e-backup";
const DONE_MS_MAX = 120_000;
const EXPIRED_MS_MAX = 240_000;
const SHELF = { namespace: NAMESPACE, name: "shelf" };
const ON_SHELF = { namespace: NAMESPACE, name: "on-shelf" };
const SCHEDULES = {
  s3: { namespace: NAMESPACE, name: "to-s3" },
  shelf: { namespace: NAMESPACE, name: "to-shelf" },
};
/** What others keep where the backups go. */
const OTHERS = ["others.bin", "scheduled/others.txt"];

/** The folder of a backup in its store. */
function folderOf({ status }: QuorateBackup): string {
  return new URL(status?.uri ?? "").pathname.split("/").slice(1, -1).join("/");
}

describe("a cluster with a store and a claim for backups", { skip: NO_S3 }, () => {
  let store: ObjectStore;
  let cluster: ClusterUnderTest;
  let box: Toolbox;
  let witness: Witness;
  let inStore: QuorateBackup;
  let onShelf: QuorateBackup;
  const plugin = new Plugin(NAMESPACE);

  before(async () => {
    await installOperator();
    store = await ObjectStore.start();
    cluster = await ClusterUnderTest.create(NAMESPACE, { replicas: 3 });
    await store.register(NAMESPACE);
    await createClaim(SHELF);
    for (const key of OTHERS) store.put(key, "somebody else's");
    await cluster.ready(60_000);
    [box, witness] = await Promise.all([
      Toolbox.start(cluster.ref, { claim: SHELF.name }),
      Witness.start(cluster.ref, { members: 3 }),
    ]);
    await box.run("mkdir", `${CLAIM_DIR}/scheduled`);
    for (const key of OTHERS) await box.run("cp", "/etc/hostname", `${CLAIM_DIR}/${key}`);
    await makeSchedule(SCHEDULES.s3, { storeRef: { name: "s3" }, path: "scheduled" });
    await makeSchedule(SCHEDULES.shelf, {
      pvc: { claimName: SHELF.name, subPath: "scheduled" },
    });
  });
  after(async () => {
    await cluster.remove();
    await store.stop();
  });

  it("makes backups that are read back and verified", async () => {
    for (let i = 0; i < 20; i++) await box.ctl("put", `key/${i}`, `before ${i}`);
    await makeBackup(ON_SHELF, { pvc: { claimName: SHELF.name, subPath: "by-hand" } });
    const told = await plugin.run("backup", "kv", "--store", "s3", "--path", "by-hand");
    const [name = ""] = told.split(":");
    inStore = await completed({ namespace: NAMESPACE, name }, DONE_MS_MAX);
    onShelf = await completed(ON_SHELF, DONE_MS_MAX);
    for (const { status } of [inStore, onShelf]) {
      assert.equal(status?.verified, true);
      assert.match(status?.sha256 ?? "", /^[0-9a-f]{64}$/);
      assert.ok((status?.revision ?? 0) >= 20);
    }
    assert.ok(told.includes(inStore.status?.uri ?? "no uri"), told);
    await witness.assertServed("two backups by hand and two by schedule");
  });

  it("is the beginning of other clusters, whose HashKV is that of what it had", async () => {
    await box.ctl("put", "key/0", "after");
    const { clusterID } = (await cluster.get()).status ?? {};
    const copies = await Promise.all([
      cluster.sibling("copy", restoring(inStore, 3)),
      cluster.sibling("copy-of-shelf", restoring(onShelf, 1)),
    ]);
    for (const copy of copies) {
      const { status } = await copy.ready(DONE_MS_MAX);
      assert.notEqual(status?.clusterID, clusterID);
      const other = await Toolbox.start(copy.ref);
      assert.equal(await other.ctl("get", "key/0", "--print-value-only"), "before 0");
      const revision = await restoredRevision(other);
      assert.equal(await commonHash(other, 0), await expectedHash(box, revision));
      await copy.unmake();
      await other.stop();
    }
    await witness.assertServed("two clusters restored beside it");
  });

  it("is not restored from a stored file that has decayed, neither anew nor in place", async () => {
    const [key = ""] = store.keys().filter((each) => each.startsWith(`${folderOf(inStore)}/snap`));
    store.decay(key);
    await box.run("node", "-e", DECAY, `${CLAIM_DIR}/${folderOf(onShelf)}/snapshot.db.gz`);
    const copies = await Promise.all([
      cluster.sibling("bad", restoring(inStore, 1)),
      cluster.sibling("bad-of-shelf", restoring(onShelf, 1)),
    ]);
    for (const copy of copies) {
      const { status } = await copy.untilCondition("Stalled", "True", DONE_MS_MAX);
      const { reason, message } = conditionIn(status, "Stalled");
      assert.equal(reason, "SnapshotDamaged", message);
      assert.match(message, /snapshot\.db\.gz.*Delete the cluster/);
      const look = await Toolbox.start(cluster.ref, {
        name: `${copy.ref.name}-look`,
        claim: copy.claim(0).name,
      });
      const found = (await look.files()).filter((path) => path.startsWith("data/"));
      assert.deepEqual(found, [], "no member was made of it");
      await look.stop();
      await copy.unmake();
    }
    const [before, lives] = await Promise.all([cluster.get(), cluster.lives()]);
    const { code, stderr } = await plugin.try(...restoreWords(inStore));
    assert.equal(code, 1, stderr);
    assert.match(stderr, /before any member was stopped.*snapshot\.db\.gz.*Nothing was changed/);
    const { status } = await cluster.ready(DONE_MS_MAX);
    assert.equal(status?.clusterID, before.status?.clusterID);
    assert.equal(status?.incarnation, before.status?.incarnation);
    const after = await cluster.lives();
    for (const [pod, life] of Object.entries(lives)) assert.equal(after[pod], life, pod);
    await witness.assertServed("a restore in place that is refused");
    await witness.assertTrue();
  });

  it("makes backups each minute, of which the newest is kept, and nobody else's file goes", async () => {
    const [s3, shelf] = await Promise.all([
      restingWith(SCHEDULES.s3, EXPIRED_MS_MAX),
      restingWith(SCHEDULES.shelf, EXPIRED_MS_MAX),
    ]);
    for (const [kept, schedule, files] of [
      [s3, SCHEDULES.s3, store.keys()],
      [shelf, SCHEDULES.shelf, await box.files()],
    ] as const) {
      assert.equal(kept.status?.verified, true);
      const expired = await expiredOf(schedule);
      assert.ok(expired.length >= 2, `${schedule.name}: ${expired.join(", ")}`);
      const byHand = kept === s3 ? inStore : onShelf;
      assert.deepEqual(
        files,
        [...OTHERS, ...[kept, byHand].flatMap(storedFiles)].toSorted(),
        "objects of those that expired are gone, and no others",
      );
    }
    assert.deepEqual(
      new Set(await backupNames(NAMESPACE)),
      new Set([s3, shelf, inStore, onShelf].map(({ metadata }) => metadata.name)),
    );
    await witness.assertServed("backups each minute that expire");
    await witness.assertTrue();
    await witness.stop();
    inStore = s3;
  });

  it("is taken back to what it was, with a higher revision than it ever had", async () => {
    await box.ctl("put", "key/0", "after that");
    const before = await revisionOf(box);
    const began = performance.now();
    assert.match(await plugin.run(...restoreWords(inStore)), /is done$/);
    console.log(`    restored in place after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await cluster.ready(DONE_MS_MAX);
    assert.equal(await box.ctl("get", "key/0", "--print-value-only"), "after");
    assert.ok((await revisionOf(box)) > before);
  });
});

const DECAY = `
const fs = require("node:fs"), [path] = process.argv.slice(1), bytes = fs.readFileSync(path);
bytes[bytes.length >> 1] ^= 1;
fs.writeFileSync(path, bytes);
`;

function restoring({ metadata: { name } }: QuorateBackup, replicas: number): object {
  return { replicas, bootstrap: { restoreFrom: { backupRef: { name } } } };
}

function restoreWords({ metadata: { name } }: QuorateBackup): string[] {
  return ["restore", "kv", "--backup", name, "--acknowledge-data-loss"];
}

function storedFiles(backup: QuorateBackup): string[] {
  return ["manifest.json", "snapshot.db.gz"].map((file) => `${folderOf(backup)}/${file}`);
}
