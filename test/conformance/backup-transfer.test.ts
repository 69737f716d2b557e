/** Backups as Jobs run them: real members over TLS, a real server of S3, a real process each. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Manifest } from "../../operator/backup/layout.ts";
import { Client } from "../../src/client/client.ts";
import { BackupWorld, UID, failure } from "./support/backup-world.ts";
import { Cluster, freePorts } from "./support/cluster.ts";
import { startTransfer, transfer } from "./support/transfer.ts";

describe("transfer backup", { timeout: 300_000 }, () => {
  let world: BackupWorld;
  before(async () => {
    world = await BackupWorld.open();
  });
  after(async () => await world.close());

  it("stores a follower's snapshot of more than 20 MiB, and says what it is", async () => {
    const { revision } = await world.client.kv.range("\0", { countOnly: true });
    const result = await world.backUp("first", { "server-version": "1.2.3" });
    assert.equal(result.serverVersion, "1.2.3");
    const leader = await world.client.maintenance.leader();
    const leading = world.cluster.members.find(({ clientUrl }) => clientUrl === leader);
    assert.notEqual(result.member, leading?.name);
    assert.equal(result.revision, revision);
    assert.equal(result.uri, `s3://backups/${world.keyOf("first")}`);
    assert.ok(result.sizeBytes > 20 * 1024 * 1024 && result.verified && !result.authEnabled);
    const stored = readFileSync(world.pathOf("first"));
    assert.equal(createHash("sha256").update(stored).digest("hex"), result.sha256);
    const plain = gunzipSync(stored);
    const manifest = JSON.parse(
      readFileSync(world.pathOf("first", "manifest.json"), "utf8"),
    ) as Manifest;
    assert.deepEqual([manifest.sizeBytes, manifest.storedBytes], [plain.length, stored.length]);
    assert.equal(createHash("sha256").update(plain).digest("hex"), manifest.sha256);
    assert.deepEqual(manifest.backup, { namespace: "data", name: "first", uid: UID });
    const { header } = await world.client.maintenance.status();
    assert.equal(manifest.clusterId, header?.clusterId.toString(16));
  });

  it("an attempt after a complete one tells the same and uploads nothing", async () => {
    const first = await world.backUp("again");
    const { mtimeMs, ino } = statSync(world.pathOf("again"));
    const second = await world.backUp("again");
    assert.deepEqual({ ...second, seconds: 0 }, { ...first, seconds: 0 });
    assert.deepEqual(
      [statSync(world.pathOf("again")).mtimeMs, statSync(world.pathOf("again")).ino],
      [mtimeMs, ino],
    );
  });

  it("does not replace a snapshot of another owner", async () => {
    await world.backUp("foreign", { "backup-uid": "other" });
    const theirs = join(world.server.objects, "kv/foreign-other");
    mkdirSync(dirname(world.pathOf("foreign")), { recursive: true });
    copyFileSync(join(theirs, "snapshot.db.gz"), world.pathOf("foreign"));
    const refused = await transfer(
      [...world.backupArguments("foreign"), ...world.s3.args],
      world.s3.environment,
    );
    assert.equal(failure(refused), "StoreConflict");
    assert.equal(refused.code, 2);
  });

  it("deletes what it stored and nothing else", async () => {
    await world.backUp("deleted");
    const beside = world.pathOf("deleted", "notes.txt");
    writeFileSync(beside, "a person's");
    const names = [`--backup-name=deleted`, `--backup-uid=${UID}`, "--path=kv/"];
    const args = ["delete", ...names, ...world.s3.args];
    const gone = await transfer(args, world.s3.environment);
    assert.deepEqual(gone.result, { kind: "delete", deleted: 2 });
    assert.deepEqual(readdirSync(dirname(beside)), ["notes.txt"]);
    const again = await transfer(args, world.s3.environment);
    assert.deepEqual(again.result, { kind: "delete", deleted: 0 });
  });

  it("told to end, it takes back what it has uploaded", async () => {
    const run = startTransfer(
      [...world.backupArguments("ended"), ...world.s3.args],
      world.s3.environment,
    );
    await run.logged("reading");
    run.kill("SIGTERM");
    const ended = await run.done;
    assert.equal(failure(ended), "Interrupted");
    assert.equal(existsSync(world.pathOf("ended")), false);
    assert.equal(existsSync(world.pathOf("ended", "manifest.json")), false);
  });

  it("says why the store cannot be used, and that it may be tried again", async () => {
    const wrong = { ...world.s3.environment, AWS_SECRET_ACCESS_KEY: "wrong" };
    const refused = await transfer([...world.backupArguments("wrong"), ...world.s3.args], wrong);
    assert.deepEqual([failure(refused), refused.code], ["StoreCredentials", 1]);
    const [port = 0] = await freePorts(1);
    const nowhere = world.s3.args.map((each) =>
      each.startsWith("--s3-endpoint") ? `--s3-endpoint=https://127.0.0.1:${port}` : each,
    );
    const unreachable = await transfer(
      [...world.backupArguments("wrong"), ...nowhere],
      world.s3.environment,
    );
    assert.deepEqual([failure(unreachable), unreachable.code], ["StoreUnreachable", 1]);
  });

  it("logs in where no certificate names it, with whichever password the members take", async () => {
    const lone = await Cluster.start({ product: "quorate", members: 1 });
    try {
      const { clientUrl: endpoints } = lone.member(0);
      const client = new Client({ endpoints: [endpoints] });
      await client.auth.addUser("root", "second");
      await client.auth.addRole("root");
      await client.auth.grantRole("root", "root");
      await client.auth.enable();
      client.close();
      const file = join(world.folder, "passwords");
      writeFileSync(file, JSON.stringify(["first", "second", "third"]));
      const plain = world
        .backupArguments("asked", { endpoints })
        .filter((flag) => !flag.startsWith("--tls-dir"));
      const refused = await transfer([...plain, ...world.s3.args], world.s3.environment);
      assert.equal(refused.code, 1, "without one");
      const args = [...plain, `--root-passwords=${file}`, ...world.s3.args];
      const { result, log } = await transfer(args, world.s3.environment);
      assert.ok(result?.kind === "backup" && result.authEnabled, log);
    } finally {
      await lone.stop();
    }
  });

  it("takes no snapshot of a cluster without a quorum", async () => {
    const lone = await Cluster.start({ product: "quorate", members: 3, tls: world.pki });
    try {
      await Promise.all([lone.member(0).stop("SIGKILL"), lone.member(1).stop("SIGKILL")]);
      const endpoints = lone.members.map(({ clientUrl }) => clientUrl).join(",");
      const refused = await transfer(
        [...world.backupArguments("lone", { endpoints }), ...world.s3.args],
        world.s3.environment,
      );
      assert.equal(failure(refused), "ClusterUnavailable");
    } finally {
      await lone.stop();
    }
  });
});
