/** Ids of the model's clusters and members. */
import { createHash } from "node:crypto";
import type { MemberId } from "../../../src/raft/types.ts";
import type { Disk } from "./consensus.ts";

export function identityOf(
  clusterId: string,
  memberId: string,
  fenceIncarnation: number,
  usedNonce: string,
): NonNullable<Disk["identity"]> {
  return {
    clusterId: BigInt(`0x${clusterId}`),
    memberId: BigInt(`0x${memberId}`) as MemberId,
    incarnation: 1n,
    fenceIncarnation,
    usedNonce,
  };
}

/** No two nonces make the same cluster. */
export function clusterIdOf(nonce: string): string {
  const digits = createHash("sha256").update(nonce).digest("hex").slice(0, 15);
  return BigInt(`0x${digits}`).toString(16);
}
