/** Which members reach which, with TLS or without: at the URLs by which they know each other. */
import { type Lineage, idOf } from "./consensus.ts";
import { isAt, schemeOfUrl } from "./spoken.ts";
import type { Process, World } from "./world.ts";

/** Whether a connection that the one opens to the other at this URL comes about. */
export function reaches(from: Process, to: Process, url: string | undefined): boolean {
  if (url === undefined || !isAt(url, to.pod)) return false;
  const scheme = schemeOfUrl(url);
  return to.spoken.peers.has(scheme) && (scheme === "http" || from.spoken.hasCertificates);
}

/** Pairs of members that run, of which the first does not reach the second at the URL by which it knows it. */
export function parted(world: World, lineage: Lineage): string[] {
  const found: string[] = [];
  const running = world.running(lineage).flatMap(({ pod, disk }) => {
    const process = world.processes.get(pod);
    return process === undefined ? [] : [{ process, disk }];
  });
  for (const from of running)
    for (const to of running) {
      const applied = lineage.seatsAt(Math.max(from.disk.index, from.process.readAt));
      // Who joins is told whom there is, and has that state before it has any entry.
      const isNew = !applied.some(({ id }) => id === idOf(from.disk));
      const seats = isNew ? lineage.seats : applied;
      const url = seats.find(({ id }) => id === idOf(to.disk))?.url;
      if (from === to || url === undefined || reaches(from.process, to.process, url)) continue;
      found.push(`${from.process.pod} does not reach ${to.process.pod} at ${url}`);
    }
  return found;
}
