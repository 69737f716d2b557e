/** Restores as Jobs run them: what was stored becomes a cluster again, or is refused. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { ClaimStore } from "../../operator/backup/claim.ts";
import { runRestore } from "../../operator/backup/transfer/restore.ts";
import type { BackupResult, RestoreResult } from "../../operator/backup/transfer/result.ts";
import { BackupWorld, UID, VALUES, failure, succeeded } from "./support/backup-world.ts";
import { commandOf } from "./support/cluster.ts";
import { until } from "./support/tools.ts";
import { type Transferred, startTransfer, transfer } from "./support/transfer.ts";

/** The objects of a server's folder, of which the first that is read comes with a bit turned over. */
class DamagedOnce extends ClaimStore {
  #isSound = false;

  override async *get(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of super.get(key, signal)) {
      const copy = Buffer.from(chunk);
      if (!this.#isSound) copy.writeUInt8(copy.readUInt8(copy.length >> 1) ^ 1, copy.length >> 1);
      this.#isSound = true;
      yield copy;
    }
  }
}

describe("transfer restore", { timeout: 300_000 }, () => {
  let world: BackupWorld;
  before(async () => {
    world = await BackupWorld.open();
  });
  after(async () => await world.close());

  it("a restored member is a cluster of its own with the same history, and others join it", async () => {
    const { revision } = await world.backUp("restored");
    const restored = await world.prepare();
    try {
      const seed = restored.member(0);
      const args = [
        ...world.restoreArguments(seed, world.keyOf("restored")),
        "--bump-revision=0",
        ...world.s3.args,
      ];
      const done = succeeded<RestoreResult>(await transfer(args, world.s3.environment));
      assert.equal(done.revision, revision);
      restored.restart(seed);
      await restored.awaitHealthy();
      assert.deepEqual(await world.hashes([seed]), [
        (await world.hashes(world.cluster.members))[0],
      ]);
      const own = world.connect([seed]);
      const { header } = await own.maintenance.status();
      assert.equal(header?.clusterId.toString(16), done.clusterId);
      assert.equal(header?.memberId.toString(16), done.memberId);
      assert.notEqual(
        done.clusterId,
        (await world.client.maintenance.status()).header?.clusterId.toString(16),
      );
      const learner = await restored.prepareMember();
      const { id } = await own.cluster.add([learner.peerUrl], { learner: true });
      restored.join(learner);
      await learner.awaitHealthy();
      await until("the learner is promoted", 30_000, () =>
        own.cluster.promote(id).then(
          () => true,
          () => false,
        ),
      );
      await own.kv.put("after", "the restore");
      const both = await world.hashes([seed, learner]);
      assert.equal(new Set(both).size, 1, both.join("; "));
      own.close();
    } finally {
      await restored.stop();
    }
  });

  it("what is taken under load is one moment of the history, and all of it", async () => {
    const stop = new AbortController();
    let written = 0;
    const load = (async (): Promise<void> => {
      while (!stop.signal.aborted)
        await world.client.kv.put(`load/${written++ % 50}`, `${written}`);
    })();
    const restored = await world.prepare();
    try {
      const before = await world.client.kv.range("\0", { countOnly: true });
      const backup = await world.backUp("loaded");
      assert.ok(backup.revision >= before.revision);
      const seed = restored.member(0);
      const key = world.keyOf("loaded");
      const args = [...world.restoreArguments(seed, key), "--bump-revision=0", ...world.s3.args];
      const done = succeeded<RestoreResult>(await transfer(args, world.s3.environment));
      stop.abort();
      await load;
      assert.ok(done.revision >= backup.revision, `${done.revision} of ${backup.revision}`);
      restored.restart(seed);
      await restored.awaitHealthy();
      const own = world.connect([seed]);
      const { revision } = done;
      const [theirs, ours] = await Promise.all([
        world.client.maintenance.hashKv({ revision }),
        own.maintenance.hashKv({ revision }),
      ]);
      assert.equal(ours.hash, theirs.hash, `at revision ${revision} of ${written} writes`);
      own.close();
    } finally {
      stop.abort();
      await restored.stop();
    }
  });

  it("with a raised revision no watcher sees time go back", async () => {
    const { revision } = await world.backUp("raised");
    const restored = await world.prepare();
    try {
      const seed = restored.member(0);
      const args = [...world.restoreArguments(seed, world.keyOf("raised")), ...world.s3.args];
      const done = succeeded<RestoreResult>(await transfer(args, world.s3.environment));
      assert.equal(done.revision, revision + 1_000_000_000);
      restored.restart(seed);
      await restored.awaitHealthy();
      const own = world.connect([seed]);
      assert.equal(await own.kv.count({ prefix: "key/" }), VALUES - 1);
      const watch = own.watch("key/1", { fromRevision: revision + 1 });
      await assert.rejects(async () => {
        for await (const batch of watch) assert.fail(`an event: ${JSON.stringify(batch)}`);
      }, /compacted/);
      own.close();
    } finally {
      await restored.stop();
    }
  });

  it("a restore that is killed at any moment is finished by the next, and keeps what was there", async () => {
    await world.backUp("killed");
    const restored = await world.prepare();
    try {
      const seed = restored.member(0);
      restored.restart(seed);
      await restored.awaitHealthy();
      const old = world.connect([seed]);
      await old.kv.put("old", "data");
      old.close();
      await seed.stop("SIGTERM");
      const args = [
        ...world.restoreArguments(seed, world.keyOf("killed"), "k-2"),
        "--in-place",
        ...world.s3.args,
      ];
      const refused = await transfer(
        args.filter((each) => each !== "--in-place"),
        world.s3.environment,
      );
      assert.deepEqual([failure(refused), refused.code], ["VolumeInUse", 2]);
      let finished: Transferred | null = null;
      for (let afterMs = 200; finished === null; afterMs = Math.ceil(afterMs * 1.4)) {
        const run = startTransfer(args, world.s3.environment);
        const timer = setTimeout(() => run.kill("SIGKILL"), afterMs);
        const ended = await run.done;
        clearTimeout(timer);
        if (ended.code !== null) finished = ended;
        else assert.equal(ended.result, null, "whoever is killed says nothing");
      }
      const first = succeeded<RestoreResult>(finished);
      const again = succeeded<RestoreResult>(await transfer(args, world.s3.environment));
      assert.deepEqual(again, first);
      const aside = `${seed.dataDir}.before-k-2`;
      const work = `${seed.dataDir}.restore-k-2`;
      // What a kill leaves before, between and after the two renames, which no timer hits.
      const between: readonly (() => void)[] = [
        () => renameSync(aside, seed.dataDir),
        () => {},
        () => renameSync(join(work, "data"), seed.dataDir),
      ];
      for (const leave of between) {
        mkdirSync(work);
        renameSync(seed.dataDir, join(work, "data"));
        leave();
        const marker = `${seed.dataDir}.restored`;
        writeFileSync(marker, readFileSync(marker, "utf8").replace('"done"', '"built"'));
        // Nothing has to be fetched any more, so that a store that is gone by now is in nobody's way.
        const resumed = await transfer(
          args.map((each) =>
            each.replace(/^--s3-endpoint=.*/, "--s3-endpoint=https://127.0.0.1:1"),
          ),
          world.s3.environment,
        );
        assert.deepEqual(succeeded<RestoreResult>(resumed), first);
      }
      const beside = readdirSync(dirname(seed.dataDir)).filter((name) =>
        name.startsWith(seed.name),
      );
      assert.deepEqual(beside.toSorted(), [
        seed.name,
        `${seed.name}.before-k-2`,
        `${seed.name}.log`,
        `${seed.name}.restored`,
      ]);
      assert.ok(existsSync(join(aside, "member", "IDENTITY")));
      restored.restart(seed);
      await restored.awaitHealthy();
      const own = world.connect([seed]);
      assert.equal(await own.kv.count({ prefix: "key/" }), VALUES - 1);
      assert.equal(await own.kv.count("old"), 0);
      own.close();
    } finally {
      await restored.stop();
    }
  });

  it("altered and shortened objects are refused by verify and restore, and nothing is made of them", async () => {
    await world.backUp("damaged");
    const whole = readFileSync(world.pathOf("damaged"));
    const restored = await world.prepare();
    try {
      const seed = restored.member(0);
      const expectRefused = async (): Promise<void> => {
        const key = world.keyOf("damaged");
        const args = [`--key=${key}`, ...world.s3.args];
        assert.equal(
          failure(await transfer(["verify", ...args], world.s3.environment)),
          "SnapshotDamaged",
        );
        const into = [...world.restoreArguments(seed, key), ...world.s3.args];
        const refused = await transfer(into, world.s3.environment);
        assert.equal(failure(refused), "SnapshotDamaged");
        assert.equal(refused.code, 2, "a Job does not try again");
        assert.equal(existsSync(seed.dataDir), false);
      };
      const altered = Buffer.from(whole);
      altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 1;
      writeFileSync(world.pathOf("damaged"), altered);
      await expectRefused();
      writeFileSync(world.pathOf("damaged"), whole);
      truncateSync(world.pathOf("damaged"), whole.length - 1000);
      await expectRefused();
      // Without a manifest the snapshot's own checksum is what remains.
      rmSync(world.pathOf("damaged", "manifest.json"));
      await expectRefused();
      const plain = gunzipSync(whole);
      writeFileSync(world.pathOf("damaged"), plain.subarray(0, plain.length - 512));
      await expectRefused();
      writeFileSync(world.pathOf("damaged"), plain);
      const sound = await transfer(
        ["verify", `--key=${world.keyOf("damaged")}`, ...world.s3.args],
        world.s3.environment,
      );
      assert.equal(sound.code, 0, sound.log);
    } finally {
      await restored.stop();
    }
  });

  it("what comes damaged is fetched once more, since it may have been damaged on its way", async () => {
    const { revision, sha256 } = await world.backUp("on-its-way");
    const restored = await world.prepare();
    try {
      const { name, peerUrl, dataDir } = restored.member(0);
      let log = "";
      const done = await runRestore({
        store: new DamagedOnce(world.server.objects),
        key: world.keyOf("on-its-way"),
        describe: () =>
          Promise.resolve({ promised: { sha256, plainSha256: null }, sizeBytes: null }),
        dataDir,
        nonce: "r-1",
        inPlace: false,
        quorate: commandOf("quorate"),
        member: {
          name,
          initialCluster: `${name}=${peerUrl}`,
          initialClusterToken: "data/kv#r-1",
          peerUrls: peerUrl,
          bumpRevision: 0,
          incarnation: 1,
        },
        signal: AbortSignal.timeout(60_000),
        now: () => performance.now(),
        log: (line) => (log += `${line}\n`),
      });
      assert.equal(done.revision, revision);
      assert.match(log, /is fetched once more/);
    } finally {
      await restored.stop();
    }
  });

  it("a claim serves as well as a bucket, with authentication on", async () => {
    const claim = join(world.folder, "claim");
    mkdirSync(claim);
    await world.client.auth.addUser("root", "secret");
    await world.client.auth.addRole("root");
    await world.client.auth.grantRole("root", "root");
    await world.client.auth.enable();
    const store = ["--store=claim", `--claim-root=${claim}`];
    const plain = { compression: "None", path: "" };
    const done = succeeded<BackupResult>(
      await transfer([...world.backupArguments("claimed", plain), ...store]),
    );
    assert.equal(done.authEnabled, true);
    assert.equal(done.sizeBytes, done.storedBytes);
    const restored = await world.prepare();
    try {
      const seed = restored.member(0);
      const key = `claimed-${UID}/snapshot.db`;
      const args = [...world.restoreArguments(seed, key), `--sha256=${done.sha256}`, ...store];
      succeeded(await transfer(args));
      restored.restart(seed);
      await seed.awaitHealthy();
      const own = world.connect([seed]);
      assert.equal((await own.auth.status()).enabled, true);
      assert.equal(await own.kv.count({ prefix: "key/" }), VALUES - 1);
      own.close();
    } finally {
      await restored.stop();
    }
  });
});
