/**
 * Backups in a bucket of S3, or of what speaks its protocol: Ceph, MinIO and others. The SDK is loaded by the first store that
 * is opened. It adds checksums of its own by default, which several of those others refuse: only what the protocol requires
 * is sent unless the settings say otherwise; our own SHA-256 is what a backup is judged by.
 */
import type * as S3 from "@aws-sdk/client-s3";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Readable } from "node:stream";
import {
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
  StoreError,
  checkKey,
} from "./store.ts";
import { toStoreError } from "./s3-errors.ts";

export interface S3Settings {
  readonly bucket: string;
  readonly region: string | null;
  /** `https://host[:port]`; null: Amazon's, of the region. */
  readonly endpoint: string | null;
  /** `https://endpoint/bucket/key` in place of `https://bucket.endpoint/key`. */
  readonly forcePathStyle: boolean;
  /** Whether requests carry checksums where the protocol does not require them. */
  readonly checksums: "WhenRequired" | "WhenSupported";
  /** PEM: who signed the endpoint's certificate, where it is none of the system's authorities. */
  readonly ca: string | null;
  /** Null: the SDK's own chain (environment, web identity of the pod, instance). */
  readonly credentials: S3Credentials | null;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

export interface S3Limits {
  readonly connectMs: number;
  /** Silence on a connection. */
  readonly idleMs: number;
  readonly attempts: number;
}

const LIMITS: S3Limits = { connectMs: 5_000, idleMs: 60_000, attempts: 4 };
/** S3 takes 10 000 parts: 160 GB. Two of them are in memory: one that is sent, and one that is being filled. */
const PART_BYTES = 16 * 1024 * 1024;
const EMPTY: Uint8Array = new Uint8Array();
/** For taking back an upload that failed. */
const TAKE_BACK_MS = 10_000;
/** Of no meaning outside Amazon, and required by its signatures. */
const DEFAULT_REGION = "us-east-1";
const OWNER = "quorate-backup";

type Sdk = typeof S3;

interface Target {
  readonly Bucket: string;
  readonly Key: string;
  readonly Metadata: Record<string, string>;
}

/** Must be closed. Rejects with "failed" for settings that cannot be right; asks nobody. */
export async function openS3(settings: S3Settings, limits: S3Limits = LIMITS): Promise<S3Store> {
  const sdk = await import("@aws-sdk/client-s3");
  try {
    return new S3Store(sdk, new sdk.S3Client(configOf(settings, limits)), settings);
  } catch (thrown) {
    throw toStoreError(thrown, settings);
  }
}

function configOf(settings: S3Settings, limits: S3Limits): S3.S3ClientConfig {
  const { endpoint, ca, credentials } = settings;
  const checksums = settings.checksums === "WhenRequired" ? "WHEN_REQUIRED" : "WHEN_SUPPORTED";
  const { sessionToken, ...keys } = credentials ?? { sessionToken: null };
  return {
    region: settings.region ?? DEFAULT_REGION,
    forcePathStyle: settings.forcePathStyle,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    // Its connections would be made by an agent of the SDK's own, which knows nothing of `ca`.
    expectContinueHeader: false,
    maxAttempts: limits.attempts,
    requestHandler: {
      connectionTimeout: limits.connectMs,
      socketTimeout: limits.idleMs,
      throwOnRequestTimeout: true,
      httpsAgent: new HttpsAgent({ keepAlive: true, ...(ca === null ? {} : { ca }) }),
      httpAgent: new HttpAgent({ keepAlive: true }),
    },
    ...(endpoint === null ? {} : { endpoint }),
    ...("accessKeyId" in keys
      ? { credentials: { ...keys, ...(sessionToken === null ? {} : { sessionToken }) } }
      : {}),
  };
}

export class S3Store implements ObjectStore {
  readonly #sdk: Sdk;
  readonly #client: S3.S3Client;
  readonly #settings: S3Settings;

  constructor(sdk: Sdk, client: S3.S3Client, settings: S3Settings) {
    this.#sdk = sdk;
    this.#client = client;
    this.#settings = settings;
  }

  uri(key: string): string {
    return `s3://${this.#settings.bucket}/${key}`;
  }

  async probe(signal: AbortSignal): Promise<void> {
    // A HEAD would have no body, and so no way to tell wrong credentials from missing rights.
    const one = new this.#sdk.ListObjectsV2Command({ Bucket: this.#settings.bucket, MaxKeys: 1 });
    await this.#send(null, signal, (abort) => this.#client.send(one, abort));
  }

  async put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<number> {
    checkKey(key);
    const { owner, signal } = options;
    const there = await this.head(key, signal);
    if (there !== null && there.owner !== owner)
      throw new StoreError("conflict", `${this.uri(key)} exists and is not of this backup`);
    const target = {
      Bucket: this.#settings.bucket,
      Key: key,
      Metadata: { [OWNER]: owner },
    };
    const parts = partsOf(body);
    try {
      const first = await parts.next();
      const Body = first.done === true ? EMPTY : first.value;
      if (Body.length === PART_BYTES) return await this.#putParts(target, Body, parts, signal);
      const command = new this.#sdk.PutObjectCommand({ ...target, Body });
      await this.#send(key, signal, (abort) => this.#client.send(command, abort));
      return Body.length;
    } finally {
      // Not awaited: where the store fails, the source may be in the middle of something that takes long.
      void parts.return().catch(() => {});
    }
  }

  /** An upload that fails is taken back, whatever failed: parts that nobody asks for cost money for good. */
  async #putParts(
    target: Target,
    first: Uint8Array,
    rest: AsyncIterator<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number> {
    const { Bucket, Key } = target;
    await this.#takeBack(Key, signal);
    const create = new this.#sdk.CreateMultipartUploadCommand(target);
    const { UploadId } = await this.#send(Key, signal, (abort) => this.#client.send(create, abort));
    if (UploadId === undefined) throw new StoreError("failed", `${this.uri(Key)}: no upload id`);
    try {
      const sent: S3.CompletedPart[] = [];
      let bytes = 0;
      for await (const Body of readAhead(first, rest)) {
        const PartNumber = sent.length + 1;
        const part = new this.#sdk.UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body });
        const { ETag } = await this.#send(Key, signal, (abort) => this.#client.send(part, abort));
        sent.push({ PartNumber, ETag });
        bytes += Body.length;
      }
      const complete = new this.#sdk.CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        MultipartUpload: { Parts: sent },
      });
      await this.#send(Key, signal, (abort) => this.#client.send(complete, abort));
      return bytes;
    } catch (thrown) {
      await this.#takeBack(Key, AbortSignal.timeout(TAKE_BACK_MS), UploadId);
      throw thrown;
    }
  }

  /**
   * Ends uploads of this object that nobody goes on with: `uploadId`, or whatever killed attempts left. That it fails is no
   * reason to tell: not every store lists uploads or lets everybody do so.
   */
  async #takeBack(Key: string, abortSignal: AbortSignal, uploadId?: string): Promise<void> {
    const Bucket = this.#settings.bucket;
    const list = new this.#sdk.ListMultipartUploadsCommand({ Bucket, Prefix: Key });
    try {
      const found =
        uploadId === undefined
          ? ((await this.#client.send(list, { abortSignal })).Uploads ?? [])
          : [{ Key, UploadId: uploadId }];
      for (const upload of found) {
        const { UploadId } = upload;
        const abort = new this.#sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId });
        if (upload.Key === Key) await this.#client.send(abort, { abortSignal });
      }
    } catch {
      // Said above.
    }
  }

  async *get(key: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    checkKey(key);
    const command = new this.#sdk.GetObjectCommand({ Bucket: this.#settings.bucket, Key: key });
    const answer = await this.#send(key, signal, (abort) => this.#client.send(command, abort));
    const body = answer.Body;
    if (!(body instanceof Readable)) throw new StoreError("failed", `${this.uri(key)}: no body`);
    const abort = (): void => void body.destroy(new Error("aborted"));
    signal.addEventListener("abort", abort, { once: true });
    const chunks = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#send(key, signal, () => chunks.next());
        if (next.done === true) return;
        yield next.value as Uint8Array;
      }
    } finally {
      signal.removeEventListener("abort", abort);
      body.destroy();
    }
  }

  async head(key: string, signal: AbortSignal): Promise<ObjectInfo | null> {
    checkKey(key);
    const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#settings.bucket, Key: key });
    try {
      const found = await this.#send(key, signal, (abort) => this.#client.send(command, abort));
      return { key, bytes: found.ContentLength ?? 0, owner: found.Metadata?.[OWNER] ?? null };
    } catch (thrown) {
      if (thrown instanceof StoreError && thrown.kind === "notFound") return null;
      throw thrown;
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<ObjectInfo, void, undefined> {
    for (let token: string | undefined; ;) {
      const command = new this.#sdk.ListObjectsV2Command({
        Bucket: this.#settings.bucket,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#send(null, signal, (abort) => this.#client.send(command, abort));
      for (const { Key, Size } of page.Contents ?? [])
        if (Key !== undefined) yield { key: Key, bytes: Size ?? 0, owner: null };
      token = page.NextContinuationToken;
      if (page.IsTruncated !== true || token === undefined) return;
    }
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    checkKey(key);
    await this.#takeBack(key, signal);
    const command = new this.#sdk.DeleteObjectCommand({ Bucket: this.#settings.bucket, Key: key });
    await this.#send(key, signal, (abort) => this.#client.send(command, abort));
  }

  close(): void {
    this.#client.destroy();
  }

  async #send<T>(
    key: string | null,
    signal: AbortSignal,
    work: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    try {
      return await work({ abortSignal: signal });
    } catch (thrown) {
      throw toStoreError(thrown, this.#settings, key, signal);
    }
  }
}

/** The source in parts of `PART_BYTES`; the last is shorter, and may be missing. A part is overwritten by the next but one. */
async function* partsOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let [part, other]: [Uint8Array, Uint8Array] = [Buffer.allocUnsafeSlow(PART_BYTES), EMPTY];
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(chunk.length - at, PART_BYTES - filled);
      part.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < PART_BYTES) continue;
      yield part;
      [part, other] = [other === EMPTY ? Buffer.allocUnsafeSlow(PART_BYTES) : other, part];
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

/** Asks for the part after the one that it gives, so that the source works while that is sent. */
async function* readAhead(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let part = first;
  for (;;) {
    const pending = rest.next();
    pending.catch(() => {}); // thrown when it is awaited
    yield part;
    const next = await pending;
    if (next.done === true) return;
    part = next.value;
  }
}
