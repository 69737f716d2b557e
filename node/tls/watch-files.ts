/** Tells when files may have changed: at once where the system reports it, and every few seconds in any case. */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

/** Network file systems report nothing; and a mounted secret is replaced by moving a link above the file. */
const POLL_MS = 5_000;
/** The link through which Kubernetes replaces all files of a mount at once. */
const MOUNTED_LINK = "..data";

/** Watches the folders of `paths`; the caller compares the files. Answers how to stop. */
export function watchFiles(paths: readonly string[], onMaybeChanged: () => void): () => void {
  const watchers: FSWatcher[] = [];
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    const names = new Set(
      paths.filter((path) => dirname(path) === folder).map((path) => basename(path)),
    );
    names.add(MOUNTED_LINK);
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        // Others may write to the folder all the time.
        if (name === null || names.has(name)) onMaybeChanged();
      });
      // The folder went, or the system has no watches left: polling goes on.
      watcher.on("error", () => watcher.close());
      watchers.push(watcher);
    } catch {
      // As above.
    }
  }
  const timer = setInterval(onMaybeChanged, POLL_MS).unref();
  return () => {
    clearInterval(timer);
    for (const watcher of watchers) watcher.close();
  };
}
