/** Snapshots on their way: counted, hashed, packed, unpacked and judged as they go by, in bounded memory. */
import { type Hash, createHash } from "node:crypto";
import { Readable, pipeline } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { TransferError } from "./result.ts";

type Bytes = AsyncIterable<Uint8Array>;

/** Two thirds of the best compression at a third of its time: a backup holds a point in time of the store while it runs. */
const GZIP_LEVEL = 3;
const CHUNK_BYTES = 256 * 1024;
const DIGEST_BYTES = 32;
/** etcd's databases are whole sectors long, and the digest follows. */
const SECTOR_BYTES = 512;
const GZIP_MAGIC: readonly [number, number] = [0x1f, 0x8b];

/** Passes bytes on, and knows how many they were and their SHA-256. */
export class Meter {
  readonly #hash: Hash = createHash("sha256");
  bytes = 0;

  async *through(source: Bytes): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.bytes += chunk.length;
      yield chunk;
    }
  }

  /** Lowercase hexadecimal. Once, at the end. */
  sha256(): string {
    return this.#hash.digest("hex");
  }
}

/**
 * Passes a plain snapshot on, and rejects at its end ("SnapshotDamaged") unless it closes with the SHA-256 of all bytes before:
 * so whoever takes it must not count it as received before the end.
 */
export async function* checkedSnapshot(
  source: Bytes,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let bytes = 0;
  let tail: Uint8Array = new Uint8Array();
  for await (const chunk of source) {
    bytes += chunk.length;
    const seen = chunk.length >= DIGEST_BYTES ? chunk : Buffer.concat([tail, chunk]);
    if (seen === chunk) hash.update(tail);
    const kept = Math.max(0, seen.length - DIGEST_BYTES);
    hash.update(seen.subarray(0, kept));
    tail = Buffer.from(seen.subarray(kept));
    yield chunk;
  }
  if (bytes % SECTOR_BYTES !== DIGEST_BYTES || !hash.digest().equals(tail))
    throw new TransferError(
      "SnapshotDamaged",
      `${what} does not end with its own checksum: it was altered or cut off`,
    );
}

export function packed(source: Bytes): Bytes {
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK_BYTES });
  return through(source, gzip);
}

/** Unpacks what is gzip, by its first bytes; passes the rest on. Rejects with "SnapshotDamaged" for gzip that is not whole. */
export async function* unpacked(
  source: Bytes,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await atLeast(chunks, GZIP_MAGIC.length);
  const all = rejoined(first, chunks);
  if (first[0] !== GZIP_MAGIC[0] || first[1] !== GZIP_MAGIC[1]) return yield* all;
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  try {
    yield* through(all, gunzip);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
    if (!code.startsWith("Z_") && code !== "ERR_TRAILING_JUNK_AFTER_STREAM_END") throw thrown;
    const reason = thrown instanceof Error ? thrown.message : code;
    throw new TransferError("SnapshotDamaged", `${what} is no whole gzip: ${reason}`, thrown);
  }
}

async function atLeast(chunks: AsyncIterator<Uint8Array>, bytes: number): Promise<Buffer> {
  let first: Buffer = Buffer.alloc(0);
  while (first.length < bytes) {
    const next = await chunks.next();
    if (next.done === true) break;
    first = Buffer.concat([first, next.value]);
  }
  return first;
}

async function* rejoined(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (first.length > 0) yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** The source's own errors come out as they are. */
function through(source: Bytes, transform: NodeJS.ReadWriteStream): Bytes {
  const stream = pipeline(Readable.from(source, { objectMode: false }), transform, () => {});
  return stream as unknown as Bytes;
}

/** Reads it to its end, for those who only want what is learned on the way. */
export async function drain(source: Bytes): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  while ((await chunks.next()).done !== true);
}
