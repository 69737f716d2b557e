/** The store of backups against a real server of S3. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type S3Settings, type S3Store, openS3 } from "../../operator/backup/s3.ts";
import { StoreError, type StoreErrorKind } from "../../operator/backup/store.ts";
import { freePorts } from "./support/cluster.ts";
import { S3Server } from "./support/s3.ts";

const OWNER = "1b5a";
const MIB = 1024 * 1024;
const { signal } = new AbortController();
const QUICK = { connectMs: 1_000, idleMs: 1_000, attempts: 1 };

async function* repeat(piece: Uint8Array, times: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < times; at++) yield piece;
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of source) all.push(each);
  return all;
}

async function sha256(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of source) hash.update(chunk);
  return hash.digest("hex");
}

function isKind(kind: StoreErrorKind, text = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, text);
    return true;
  };
}

describe("S3", () => {
  let server: S3Server;
  let store: S3Store;
  before(async () => {
    server = await S3Server.start();
    store = await openS3(server.settings);
  });
  after(async () => {
    store.close();
    await server.stop();
  });

  /** Uploads that were begun and neither completed nor taken back. */
  async function unfinished(): Promise<number> {
    const sdk = await import("@aws-sdk/client-s3");
    const { endpoint, credentials, ca } = server.settings;
    assert.ok(endpoint !== null && credentials !== null && ca !== null);
    const client = new sdk.S3Client({
      endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { ...credentials, sessionToken: "" },
      requestHandler: { httpsAgent: { ca } },
    });
    const listed = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket: "backups" }));
    client.destroy();
    return listed.Uploads?.length ?? 0;
  }

  async function failsWith(
    changes: Partial<S3Settings>,
    kind: StoreErrorKind,
    text?: RegExp,
  ): Promise<void> {
    const other = await openS3({ ...server.settings, ...changes }, QUICK);
    try {
      await assert.rejects(other.probe(signal), isKind(kind, text));
    } finally {
      other.close();
    }
  }

  it("what was put is headed, listed, read, and gone after its deletion", async () => {
    const key = `small/one-${OWNER}/manifest.json`;
    assert.equal(await store.put(key, repeat(Buffer.from("ab"), 3), { owner: OWNER, signal }), 6);
    assert.deepEqual(await store.head(key, signal), { key, bytes: 6, owner: OWNER });
    assert.equal(Buffer.concat(await collect(store.get(key, signal))).toString(), "ababab");
    assert.deepEqual(await collect(store.list("small/", signal)), [{ key, bytes: 6, owner: null }]);
    await store.delete(key, signal);
    await store.delete(key, signal);
    assert.equal(await store.head(key, signal), null);
    await assert.rejects(collect(store.get(key, signal)), isKind("notFound"));
  });

  it("an empty object and one of exactly a part arrive whole", async () => {
    const options = { owner: OWNER, signal };
    assert.equal(await store.put("edge/empty", repeat(Buffer.alloc(0), 2), options), 0);
    assert.equal((await store.head("edge/empty", signal))?.bytes, 0);
    assert.equal(await store.put("edge/part", repeat(Buffer.alloc(MIB), 16), options), 16 * MIB);
    assert.equal((await store.head("edge/part", signal))?.bytes, 16 * MIB);
  });

  it("a long one of unknown length goes up in parts, and comes back the same", async () => {
    const piece = randomBytes(MIB + 1);
    const key = `long/one-${OWNER}/snapshot.db`;
    const bytes = await store.put(key, repeat(piece, 40), { owner: OWNER, signal });
    assert.equal(bytes, 40 * (MIB + 1));
    assert.deepEqual(await store.head(key, signal), { key, bytes, owner: OWNER });
    assert.equal(await sha256(store.get(key, signal)), await sha256(repeat(piece, 40)));
    assert.equal(await unfinished(), 0);
  });

  it("memory does not grow with the object", async () => {
    const key = `long/two-${OWNER}/snapshot.db`;
    let peak = 0;
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const piece of repeat(Buffer.alloc(MIB), 200)) {
        peak = Math.max(peak, process.memoryUsage().external);
        yield piece;
      }
    }
    const { external } = process.memoryUsage();
    await store.put(key, watched(), { owner: OWNER, signal });
    const grown = (peak - external) / MIB;
    assert.ok(grown < 80, `${grown.toFixed(0)} MiB for 200`);
    await store.delete(key, signal);
  });

  it("never replaces what another wrote, and replaces its own", async () => {
    const key = "owned/object";
    await store.put(key, repeat(Buffer.from("a"), 1), { owner: "somebody", signal });
    const put = store.put(key, repeat(Buffer.from("b"), 1), { owner: OWNER, signal });
    await assert.rejects(put, isKind("conflict"));
    await store.put(key, repeat(Buffer.from("c"), 1), { owner: "somebody", signal });
    assert.equal(Buffer.concat(await collect(store.get(key, signal))).toString(), "c");
  });

  it("a source that fails leaves no object, and no parts that cost money", async () => {
    const key = `broken/one-${OWNER}/snapshot.db`;
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* repeat(Buffer.alloc(MIB), 40);
      throw new Error("the member went away");
    }
    await assert.rejects(
      store.put(key, broken(), { owner: OWNER, signal }),
      /the member went away/,
    );
    assert.equal(await store.head(key, signal), null);
    assert.equal(await unfinished(), 0);
  });

  it("an abort in the middle leaves no object and no parts", async () => {
    const key = `broken/two-${OWNER}/snapshot.db`;
    const abort = new AbortController();
    let sent = 0;
    async function* slow(): AsyncGenerator<Uint8Array> {
      for (;;) {
        if (++sent === 40) abort.abort();
        yield Buffer.alloc(MIB);
      }
    }
    const put = store.put(key, slow(), { owner: OWNER, signal: abort.signal });
    await assert.rejects(put, isKind("aborted"));
    assert.equal(await store.head(key, signal), null);
    assert.equal(await unfinished(), 0);
  });

  it("an object that is cut off while it is read is an error, not an end", async () => {
    const key = `cut/one-${OWNER}/snapshot.db`;
    await store.put(key, repeat(randomBytes(MIB), 64), { owner: OWNER, signal });
    const reading = store.get(key, signal);
    await reading.next();
    truncateSync(join(server.objects, key), 2 * MIB);
    await assert.rejects(collect(reading), StoreError);
    assert.ok(readdirSync(server.objects).length > 0);
  });

  it("wrong keys are told as such, and as nothing else", async () => {
    const credentials = { accessKeyId: "test-access", secretAccessKey: "x", sessionToken: null };
    await failsWith({ credentials }, "credentials", /SignatureDoesNotMatch/);
    const unknown = { ...credentials, accessKeyId: "nobody" };
    await failsWith({ credentials: unknown }, "credentials", /access key/i);
  });

  it("no keys at all are told as such", async () => {
    const before = { ...process.env };
    for (const name of Object.keys(process.env).filter((each) => each.startsWith("AWS_")))
      delete process.env[name];
    process.env["AWS_EC2_METADATA_DISABLED"] = "true";
    try {
      await failsWith({ credentials: null }, "credentials");
    } finally {
      process.env = before;
    }
  });

  it("a bucket that does not exist is told by its name", async () => {
    await failsWith({ bucket: "other-bucket" }, "notFound", /other-bucket/);
  });

  it("nobody there, no such name, and a certificate of a stranger are unreachable", async () => {
    const [port = 0] = await freePorts(1);
    const nobody = `https://127.0.0.1:${port}`;
    await failsWith({ endpoint: nobody }, "unreachable", new RegExp(nobody));
    await failsWith({ endpoint: "https://nowhere.invalid" }, "unreachable", /nowhere\.invalid/);
    await failsWith({ ca: null }, "unreachable", /certificate/);
  });

  it("a server that falls silent is given up within the limits", async () => {
    const other = await S3Server.start();
    const client = await openS3(other.settings, QUICK);
    try {
      await client.probe(signal);
      other.freeze();
      await assert.rejects(client.probe(signal), isKind("unreachable"));
    } finally {
      client.close();
      await other.stop();
    }
  });
});
