/** `transfer delete`: what a backup has left in its store. */
import { folderOf, manifestKey, snapshotKey } from "../layout.ts";
import type { ObjectStore } from "../store.ts";
import type { DeleteResult } from "./result.ts";

export interface DeleteOptions {
  readonly store: ObjectStore;
  readonly path: string | null;
  readonly name: string;
  readonly uid: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Only objects that this backup can have written, by name and, where the store knows, by owner. Idempotent. */
export async function runDelete(options: DeleteOptions): Promise<DeleteResult> {
  const { store, uid, signal, log } = options;
  const folder = folderOf(options.path, options.name, uid);
  // First what says that the rest is complete: half a deletion must not look like a backup.
  const keys = [manifestKey(folder), snapshotKey(folder, "Gzip"), snapshotKey(folder, "None")];
  let deleted = 0;
  for (const key of keys) {
    const found = await store.head(key, signal);
    if (found !== null && found.owner !== null && found.owner !== uid) {
      log(`${store.uri(key)} is of another owner, and stays`);
      continue;
    }
    // Also where nothing is seen: parts of an upload that was cut off are not listed as objects.
    await store.delete(key, signal);
    if (found !== null) deleted++;
  }
  log(`deleted ${deleted} objects below ${store.uri(folder)}`);
  return { kind: "delete", deleted };
}
