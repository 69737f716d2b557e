/** Where backups are kept: objects with names, in a bucket (`s3.ts`) or in a directory (`claim.ts`). */

/** What went wrong, as far as it decides what a person must do. */
export type StoreErrorKind =
  /** Nobody answered there: name, port, network, certificate. */
  | "unreachable"
  /** There are none, or the store does not know them, or they have ended. */
  | "credentials"
  /** Known, and not allowed. */
  | "denied"
  /** The bucket, the directory or the object does not exist. */
  | "notFound"
  /** Something of another owner is there already. */
  | "conflict"
  /** No room. */
  | "full"
  /** The call was aborted by its own signal. */
  | "aborted"
  /** Anything else; trying again may help. */
  | "failed";

/** The one error of a store. The message is for people: it names the object or the endpoint, never a secret. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

export interface ObjectInfo {
  /** Full name, with `/` between its parts. */
  readonly key: string;
  readonly bytes: number;
  /** Who wrote it, where the store can tell: uid of a backup. Null where it cannot, and for what others wrote. */
  readonly owner: string | null;
}

export interface PutOptions {
  /** Uid of the backup. An object of another owner is never replaced ("conflict"). */
  readonly owner: string;
  readonly signal: AbortSignal;
}

/** Every method rejects with a `StoreError`. Keys are relative, with `/`; no part of one is empty, `.` or `..`. */
export interface ObjectStore {
  /** As people name it: `s3://bucket/key`, `file:///mount/key`. */
  uri(key: string): string;
  /** Rejects unless the place can be reached and read with these credentials. Makes nothing. */
  probe(signal: AbortSignal): Promise<void>;
  /**
   * Writes all of `body`, of whatever length, or nothing: the object appears when it is complete. Holds a bounded part of it in
   * memory. Rejects with what `body` throws where that fails. Resolves with the bytes written.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<number>;
  /** From the first byte on; the reader sets the pace. */
  get(key: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  head(key: string, signal: AbortSignal): Promise<ObjectInfo | null>;
  /** Everything whose key begins with `prefix`, in no order. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<ObjectInfo>;
  /** What is gone already is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Reads a small object to its end. Rejects with "failed" beyond `bytesMax`. */
export async function getSmall(
  store: ObjectStore,
  key: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of store.get(key, signal)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new StoreError("failed", `${store.uri(key)} is too large`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Throws "failed" for a key that could leave its place, or that stores would understand differently. */
export function checkKey(key: string): void {
  const parts = key.split("/");
  const isBad = parts.some((part) => part === "" || part === "." || part === "..");
  if (isBad || key.includes("\0"))
    throw new StoreError("failed", `${JSON.stringify(key)} is no name of an object`);
}
