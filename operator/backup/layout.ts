/** What a backup consists of in a store: a folder with a snapshot, and beside it, written last, a manifest that describes it. */

/** The folder of a backup: nobody else's, since uids are never given twice. */
export function folderOf(path: string | null, name: string, uid: string): string {
  const parts = (path ?? "").split("/").filter((part) => part !== "");
  return [...parts, `${name}-${uid}`].join("/");
}

export type Compression = "Gzip" | "None";

export function snapshotKey(folder: string, compression: Compression): string {
  return `${folder}/snapshot.db${compression === "Gzip" ? ".gz" : ""}`;
}

export function manifestKey(folder: string): string {
  return `${folder}/manifest.json`;
}

/** `manifest.json`. There is one if and only if the snapshot beside it is complete. */
export interface Manifest {
  readonly formatVersion: 1;
  readonly backup: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly cluster: string;
  /** Hexadecimal. */
  readonly clusterId: string;
  /** Of the member that it was read from. */
  readonly serverVersion: string;
  readonly member: string;
  /** Everything up to this revision is in it; what was written while it was taken may be. */
  readonly revision: number;
  readonly authEnabled: boolean;
  /** RFC 3339. */
  readonly created: string;
  /** Name of the snapshot in this folder. */
  readonly file: string;
  readonly compression: Compression;
  /** Of the plain snapshot: etcd's database and the SHA-256 of it at the end. */
  readonly sizeBytes: number;
  /** SHA-256 of the plain snapshot, its end included: what `sha256sum` says of it. Lowercase hexadecimal, as below. */
  readonly sha256: string;
  /** Of the file as it is stored. */
  readonly storedBytes: number;
  readonly storedSha256: string;
}

export const MANIFEST_BYTES_MAX: number = 64 * 1024;

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

const HASH = /^[0-9a-f]{64}$/;

/** Throws an Error that says what is wrong with it. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const parsed = JSON.parse(Buffer.from(bytes).toString("utf8")) as Partial<Manifest> | null;
  if (parsed?.formatVersion !== 1)
    throw new Error(`it is of format ${String(parsed?.formatVersion)}, this program knows 1`);
  const { backup, file, compression } = parsed;
  const texts = [parsed.clusterId, parsed.serverVersion, parsed.created, file, parsed.cluster];
  const hashes = [parsed.sha256, parsed.storedSha256];
  const counts = [parsed.revision, parsed.sizeBytes, parsed.storedBytes];
  const isWhole =
    typeof backup?.uid === "string" &&
    (compression === "Gzip" || compression === "None") &&
    texts.every((text) => typeof text === "string") &&
    hashes.every((hash) => typeof hash === "string" && HASH.test(hash)) &&
    counts.every((count) => Number.isSafeInteger(count)) &&
    typeof parsed.authEnabled === "boolean" &&
    !`${file}`.includes("/");
  if (!isWhole) throw new Error("it is incomplete");
  return parsed as Manifest;
}
