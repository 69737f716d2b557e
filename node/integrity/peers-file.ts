/** Where the other members were last reached: kept apart from the store, which a damaged member cannot ask. */
import type { DataDir } from "../data-dir.ts";

/** Peer URLs; none where nothing readable is kept. */
export function readPeers(dataDir: DataDir): readonly string[] {
  const text = dataDir.readText("PEERS");
  if (text === null) return [];
  return text.split("\n").filter((line) => URL.canParse(line));
}

/** Remembers `urls`, one a line. Writes only where they changed. */
export function keepPeers(dataDir: DataDir, urls: readonly string[]): void {
  const text = urls.toSorted().join("\n");
  if (dataDir.readText("PEERS")?.trim() === text) return;
  dataDir.writeText("PEERS", text);
}
