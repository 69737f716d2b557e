/** quorate_integrity_…: what looks for damage, how far it is, and what it found. */
import { expose, type Exposition } from "../exposition.ts";
import type { Integrity } from "../integrity/integrity.ts";

export function exposeIntegrity(exposition: Exposition, integrity: Integrity): void {
  const { scrub, checks } = integrity;
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", `quorate_integrity_${name}`, help, read);
  const counter = (name: string, help: string, read: () => number): void =>
    expose(exposition, "counter", `quorate_integrity_${name}`, help, read);
  gauge("scrub_running", "1 while the background reads all data.", () => Number(scrub.isRunning));
  gauge(
    "scrub_last_seconds",
    "How long the last complete scrub took; 0 before the first.",
    () => scrub.lastSeconds,
  );
  counter("scrubs_total", "Scrubs that read everything and found it whole.", () => scrub.completed);
  counter("scrub_bytes_total", "Bytes of log and store that scrubs read.", () => scrub.bytes);
  counter(
    "votes_mended_total",
    "Damaged copies of the vote that were written anew from memory.",
    () => scrub.mended,
  );
  counter(
    "comparisons_total",
    "Comparisons of this member's history with those of others.",
    () => checks.completed,
  );
  counter(
    "differences_total",
    "Comparisons in which members differed. Alert on any.",
    () => integrity.differences,
  );
  gauge(
    "rebuilt",
    "1 if this process began by rebuilding the member from its peers, because its data were damaged.",
    () => Number(integrity.rebuilt),
  );
}
