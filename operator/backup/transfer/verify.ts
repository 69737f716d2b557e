/** Reading a stored snapshot back: every byte against what was promised. */
import type { ObjectStore } from "../store.ts";
import { TransferError } from "./result.ts";
import { Meter, checkedSnapshot, drain, unpacked } from "./streams.ts";

/** Null: nobody has promised anything, and the snapshot's own checksum alone is looked at. */
export interface Promised {
  /** Of the stored file. */
  readonly sha256: string | null;
  /** Of the plain snapshot. */
  readonly plainSha256: string | null;
}

export interface Read {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly storedBytes: number;
  readonly storedSha256: string;
}

/**
 * A stored snapshot, unpacked. Rejects at its end with "SnapshotDamaged" unless all of it is as promised; only then `onRead` has
 * been called.
 */
export async function* readSnapshot(
  store: ObjectStore,
  key: string,
  promised: Promised,
  signal: AbortSignal,
  onRead: (read: Read) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = store.uri(key);
  const stored = new Meter();
  const plain = new Meter();
  const bytes = unpacked(stored.through(store.get(key, signal)), what);
  yield* checkedSnapshot(plain.through(bytes), what);
  const read: Read = {
    sizeBytes: plain.bytes,
    sha256: plain.sha256(),
    storedBytes: stored.bytes,
    storedSha256: stored.sha256(),
  };
  const isOther =
    (promised.sha256 !== null && promised.sha256 !== read.storedSha256) ||
    (promised.plainSha256 !== null && promised.plainSha256 !== read.sha256);
  if (isOther)
    throw new TransferError(
      "SnapshotDamaged",
      `${what} is not what was stored: its SHA-256 is ${read.storedSha256}`,
    );
  onRead(read);
}

/** What comes damaged may have been damaged on its way: it is fetched once more, and what is damaged twice is so for good. */
export async function withSecondLook<T>(
  fetch: () => Promise<T>,
  log: (line: string) => void,
): Promise<T> {
  try {
    return await fetch();
  } catch (thrown) {
    if (!(thrown instanceof TransferError && thrown.reason === "SnapshotDamaged")) throw thrown;
    log(`${thrown.message}; it is fetched once more`);
    return await fetch();
  }
}

export async function verifySnapshot(
  store: ObjectStore,
  key: string,
  promised: Promised,
  signal: AbortSignal,
): Promise<Read> {
  let read: Read | null = null;
  await drain(readSnapshot(store, key, promised, signal, (found) => (read = found)));
  if (read === null) throw new TransferError("Failed", `${store.uri(key)} was not read to its end`);
  return read;
}
