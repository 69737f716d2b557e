/** Where the other members were last reached: kept apart from the store, which a damaged member cannot ask. */
import type { Member } from "../../src/machine/members.ts";
import type { DataDir } from "../data-dir.ts";

/** Peer URLs; none where nothing readable is kept. */
export function readPeers(dataDir: DataDir): readonly string[] {
  const text = dataDir.readText("PEERS");
  if (text === null) return [];
  return text.split("\n").filter((line) => URL.canParse(line));
}

/** Remembers where `members` but `self` are, a URL a line. Writes only where that changed. */
export function keepPeers(dataDir: DataDir, members: readonly Member[], self: bigint): void {
  const others = members.filter(({ id }) => id !== self);
  const text = others
    .flatMap(({ peerUrls }) => peerUrls)
    .toSorted()
    .join("\n");
  if (dataDir.readText("PEERS")?.trim() === text) return;
  dataDir.writeText("PEERS", text);
}
