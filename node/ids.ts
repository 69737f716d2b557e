/** Identities made at bootstrap: SHA-1 of what makes a member what it is, first 8 bytes, big-endian. */
import { createHash } from "node:crypto";
import type { MemberId } from "../src/raft/types.ts";

/**
 * A member's id: of its sorted peer URLs and the cluster token. `addedAtMs` is null for a member of the bootstrap, whose
 * id all others must come to as well; a later one adds the time, so that a member that returns is a new one.
 */
export function memberId(
  peerUrls: readonly string[],
  token: string,
  addedAtMs: number | null,
): MemberId {
  const hash = createHash("sha1")
    .update([...peerUrls].sort().join(""))
    .update(token);
  if (addedAtMs !== null) hash.update(String(addedAtMs));
  return firstEight(hash.digest()) as MemberId;
}

/** A cluster's id: of its bootstrap members' ids. */
export function clusterId(members: readonly MemberId[]): bigint {
  const hash = createHash("sha1");
  for (const id of members.toSorted((a, b) => (a < b ? -1 : 1))) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(id);
    hash.update(bytes);
  }
  return firstEight(hash.digest());
}

/** The id of the cluster that one member goes on with alone: of the one it was part of, and of what asked for it. */
export function forcedClusterId(before: bigint, label: string): bigint {
  const text = `${before.toString(16)}#${label}`;
  return firstEight(createHash("sha1").update(text).digest());
}

function firstEight(digest: Buffer): bigint {
  const id = digest.readBigUInt64BE(0);
  return id === 0n ? 1n : id;
}
