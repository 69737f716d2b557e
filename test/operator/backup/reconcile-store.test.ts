/** What a QuorateBackupStore says of itself. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QUORATE_BACKUP_STORE, SECRET } from "../../../operator/api/resources.ts";
import type { QuorateBackupStore, S3StoreSpec } from "../../../operator/api/gen/types.ts";
import { findCondition } from "../../../operator/api/conditions.ts";
import { type Probe, reconcileStore } from "../../../operator/backup/reconcile-store.ts";
import type { S3Settings } from "../../../operator/backup/s3.ts";
import { StoreError, type StoreErrorKind } from "../../../operator/backup/store.ts";
import { BackupSandbox, at } from "./sandbox.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const KEYS = { AWS_ACCESS_KEY_ID: base64("id\n"), AWS_SECRET_ACCESS_KEY: base64("secret") };

interface Told {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly afterMs: number | null;
}

class StoreCase {
  readonly sandbox: BackupSandbox = new BackupSandbox();
  asked: S3Settings[] = [];
  answer: StoreErrorKind | null = null;
  readonly #probe: Probe = async (settings) => {
    this.asked.push(settings);
    if (this.answer !== null) throw new StoreError(this.answer, `the store: ${this.answer}`);
  };

  static async open(changes: Partial<S3StoreSpec> = {}): Promise<StoreCase> {
    const opened = new StoreCase();
    const s3 = { bucket: "backups", credentialsSecretRef: { name: "keys" }, ...changes };
    await opened.sandbox.make(QUORATE_BACKUP_STORE, "s3", { spec: { s3 } });
    return opened;
  }

  async look(): Promise<Told> {
    const { afterMs } = await reconcileStore(this.sandbox.host, this.#probe, at("s3"));
    const store = await this.sandbox.person.get<QuorateBackupStore>(QUORATE_BACKUP_STORE, at("s3"));
    const ready = findCondition(store?.status?.conditions, "Ready");
    assert.ok(ready !== null);
    return { status: ready.status, reason: ready.reason, message: ready.message, afterMs };
  }
}

describe("a QuorateBackupStore", () => {
  it("is ready once the store has answered with its credentials, and is looked at again", async () => {
    const found = await StoreCase.open({ caSecretRef: { name: "ca" }, forcePathStyle: true });
    await found.sandbox.make(SECRET, "keys", { data: KEYS });
    await found.sandbox.make(SECRET, "ca", { data: { "ca.crt": base64("PEM") } });
    const { status, afterMs } = await found.look();
    assert.deepEqual([status, afterMs], ["True", 600_000]);
    assert.deepEqual(found.asked, [
      {
        bucket: "backups",
        region: "us-east-1",
        endpoint: null,
        forcePathStyle: true,
        checksums: "WhenRequired",
        ca: "PEM",
        credentials: { accessKeyId: "id", secretAccessKey: "secret", sessionToken: null },
      },
    ]);
  });

  it("names the Secret or the key that is missing, and asks nobody", async () => {
    const found = await StoreCase.open();
    assert.match((await found.look()).message, /no Secret keys with the key AWS_ACCESS_KEY_ID/);
    const data = { AWS_ACCESS_KEY_ID: base64("id") };
    await found.sandbox.make(SECRET, "keys", { data });
    const { reason, message } = await found.look();
    assert.deepEqual([reason, found.asked.length], ["SecretNotFound", 0]);
    assert.match(message, /AWS_SECRET_ACCESS_KEY/);
  });

  it("says what is wrong in one word and a sentence, and when it is well again", async () => {
    const table: readonly [StoreErrorKind, string][] = [
      ["unreachable", "Unreachable"],
      ["credentials", "CredentialsRefused"],
      ["denied", "AccessDenied"],
      ["notFound", "BucketNotFound"],
      ["failed", "Failed"],
    ];
    const found = await StoreCase.open();
    await found.sandbox.make(SECRET, "keys", { data: KEYS });
    for (const [kind, reason] of table) {
      found.answer = kind;
      assert.deepEqual(await found.look(), {
        status: "False",
        reason,
        message: `the store: ${kind}`,
        afterMs: 60_000,
      });
    }
    found.answer = null;
    assert.equal((await found.look()).status, "True");
    const told = found.sandbox.events.map((event) => event.split(" ").slice(1).join(" "));
    assert.deepEqual(told, [...table.map(([, reason]) => `Warning ${reason}`), "Normal Reachable"]);
  });

  it("an event is told once, not with every look", async () => {
    const found = await StoreCase.open();
    await found.sandbox.make(SECRET, "keys", { data: KEYS });
    found.answer = "unreachable";
    for (let look = 0; look < 5; look++) await found.look();
    assert.deepEqual(found.sandbox.events, ["s3 Warning Unreachable"]);
    const writes = found.sandbox.mutations.length;
    await found.look();
    assert.equal(found.sandbox.mutations.length, writes);
  });

  it("whose credentials are the Jobs' own is asked as a stranger, and judged no further than that", async () => {
    const spec: Partial<S3StoreSpec> = { serviceAccountName: "backup-writer" };
    const found = await StoreCase.open(spec);
    const bare = { spec: { s3: { credentialsSecretRef: null } } };
    await found.sandbox.person.mergePatch(QUORATE_BACKUP_STORE, at("s3"), bare);
    found.answer = "denied";
    const unseen = await found.look();
    assert.deepEqual([unseen.status, unseen.reason], ["Unknown", "CredentialsNotSeen"]);
    assert.match(unseen.message, /backup-writer/);
    assert.notEqual(found.asked[0]?.credentials, null, "never the operator's own rights");
    found.answer = "unreachable";
    assert.equal((await found.look()).status, "False");
  });
});
