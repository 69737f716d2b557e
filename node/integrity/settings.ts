/** What is checked for damage, how often, and what happens then. */
import { refuse, type Reader } from "../reader.ts";

export interface IntegrityConfig {
  /** Compare with the others before serving. */
  readonly initialCheck: boolean;
  /** Between two comparisons of the newest state, by the leader; 0 is never. */
  readonly checkMs: number;
  /** Compare the hashes that compactions take, by the leader; 0 is never. */
  readonly compactHashCheckMs: number;
  /** In which the background reads all data once; 0 is never. */
  readonly scrubMs: number;
}

/** Accepted as in etcd 3.6, whether or not they mean something here. */
const GATES: ReadonlySet<string> = new Set([
  "AllAlpha",
  "AllBeta",
  "StopGRPCServiceOnDefrag",
  "InitialCorruptCheck",
  "CompactHashCheck",
  "TxnModeWriteWithSharedBuffer",
  "LeaseCheckpoint",
  "LeaseCheckpointPersist",
  "SetMemberLocalAddr",
]);

export function readIntegrity(read: Reader): IntegrityConfig {
  const gates = readGates(read.text("feature-gates"));
  const on = (gate: string, name: string): boolean => gates.get(gate) ?? read.flag(name);
  const compactHashCheck = on("CompactHashCheck", "experimental-compact-hash-check-enabled");
  return {
    initialCheck: on("InitialCorruptCheck", "experimental-initial-corrupt-check"),
    checkMs: either(read, "corrupt-check-time"),
    compactHashCheckMs: compactHashCheck ? either(read, "compact-hash-check-time") : 0,
    scrubMs: read.duration("scrub-interval"),
  };
}

/** The flag by its name of today, else by that of yesterday. */
function either(read: Reader, name: string): number {
  const former = `experimental-${name}`;
  return read.duration(!read.given(name) && read.given(former) ? former : name);
}

function readGates(text: string): ReadonlyMap<string, boolean> {
  const gates = new Map<string, boolean>();
  for (const part of text.split(",").map((each) => each.trim())) {
    if (part === "") continue;
    const [name = "", value = ""] = part.split("=");
    if (!GATES.has(name)) refuse(`--feature-gates: unrecognized feature gate: ${name}: remove it`);
    if (!["true", "false"].includes(value.toLowerCase())) {
      refuse(`--feature-gates: ${part} must be written ${name}=true or ${name}=false`);
    }
    gates.set(name, value.toLowerCase() === "true");
  }
  return gates;
}
