/** `transfer backup`: a snapshot of a member into a store, checked as it comes, read back, described by a manifest last. */
import {
  type Compression,
  MANIFEST_BYTES_MAX,
  type Manifest,
  decodeManifest,
  encodeManifest,
  folderOf,
  manifestKey,
  snapshotKey,
} from "../layout.ts";
import { type ObjectStore, StoreError, getSmall } from "../store.ts";
import { type BackupResult, TransferError } from "./result.ts";
import { type Source, type SourceOptions, openSource } from "./source.ts";
import { Meter, checkedSnapshot, packed } from "./streams.ts";
import { verifySnapshot } from "./verify.ts";

export interface BackupOptions {
  readonly store: ObjectStore;
  /** Folder of all backups of the destination; null: the root. */
  readonly path: string | null;
  readonly backup: Manifest["backup"];
  readonly cluster: string;
  /** Of the members' build; null: what they answer, which is the version of etcd that they speak like. */
  readonly serverVersion: string | null;
  readonly compression: Compression;
  readonly verify: boolean;
  readonly source: Omit<SourceOptions, "signal">;
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** What is complete already is told again: an attempt may end after its manifest and before anybody heard of it. */
export async function runBackup(options: BackupOptions): Promise<BackupResult> {
  const { store, backup, signal, log } = options;
  const began = options.now();
  const folder = folderOf(options.path, backup.name, backup.uid);
  const complete = await readManifest(store, folder, signal);
  if (complete !== null && complete.backup.uid !== backup.uid)
    throw new TransferError(
      "StoreConflict",
      `${store.uri(manifestKey(folder))} describes a backup of another uid, ${complete.backup.uid}`,
    );
  if (complete !== null) log(`an attempt before this one has completed ${store.uri(folder)}`);
  const manifest = complete ?? (await upload(options, folder));
  const key = `${folder}/${manifest.file}`;
  if (options.verify) {
    log(`reading ${store.uri(key)} back`);
    const promised = { sha256: manifest.storedSha256, plainSha256: manifest.sha256 };
    await verifySnapshot(store, key, promised, signal);
  }
  if (complete === null) {
    const text = encodeManifest(manifest);
    await store.put(manifestKey(folder), once(text), { owner: backup.uid, signal });
  }
  return {
    kind: "backup",
    uri: store.uri(key),
    member: manifest.member,
    revision: manifest.revision,
    clusterId: manifest.clusterId,
    serverVersion: manifest.serverVersion,
    authEnabled: manifest.authEnabled,
    sizeBytes: manifest.sizeBytes,
    storedBytes: manifest.storedBytes,
    sha256: manifest.storedSha256,
    verified: options.verify,
    seconds: Math.ceil((options.now() - began) / 1000),
  };
}

/** Null where there is none. Rejects with "SnapshotDamaged" for one that cannot be read. */
export async function readManifest(
  store: ObjectStore,
  folder: string,
  signal: AbortSignal,
): Promise<Manifest | null> {
  const key = manifestKey(folder);
  try {
    return decodeManifest(await getSmall(store, key, MANIFEST_BYTES_MAX, signal));
  } catch (thrown) {
    if (thrown instanceof StoreError && thrown.kind === "notFound") return null;
    if (thrown instanceof StoreError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TransferError("SnapshotDamaged", `${store.uri(key)}: ${reason}`, thrown);
  }
}

async function upload(options: BackupOptions, folder: string): Promise<Manifest> {
  const { store, backup, compression, signal, log } = options;
  const created = new Date(options.now()).toISOString();
  const source = await openSource({ ...options.source, signal });
  try {
    const { member } = source;
    log(
      `reading ${member.name} (${member.isLeader ? "the leader" : "a follower"}) at revision ${source.revision}`,
    );
    const key = snapshotKey(folder, compression);
    const { plain, stored } = await send(source, store, key, options);
    log(`stored ${stored.bytes} bytes of ${plain.bytes} as ${store.uri(key)}`);
    return {
      formatVersion: 1,
      backup,
      cluster: options.cluster,
      clusterId: source.clusterId,
      serverVersion: options.serverVersion ?? member.version,
      member: member.name,
      revision: source.revision,
      authEnabled: source.authEnabled,
      created,
      file: key.slice(folder.length + 1),
      compression,
      sizeBytes: plain.bytes,
      sha256: plain.sha256(),
      storedBytes: stored.bytes,
      storedSha256: stored.sha256(),
    };
  } finally {
    source.close();
  }
}

async function send(
  source: Source,
  store: ObjectStore,
  key: string,
  { backup, compression, signal }: BackupOptions,
): Promise<{ readonly plain: Meter; readonly stored: Meter }> {
  const plain = new Meter();
  const stored = new Meter();
  const bytes = plain.through(
    checkedSnapshot(source.bytes, `the snapshot from ${source.member.endpoint}`),
  );
  const body = stored.through(compression === "Gzip" ? packed(bytes) : bytes);
  await store.put(key, body, { owner: backup.uid, signal });
  return { plain, stored };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
