/** Who may talk to whom: judged once a stream, before its first message counts. */
import { handshake } from "../../src/api/gen/peer.ts";
import type { Handshake } from "../../src/api/gen/peer.ts";
import type { Identity } from "../data-dir.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { QUORATE_VERSION } from "../version.ts";

/** The versions of the peer protocol that this program speaks, both inclusive. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** The refusal that tells a member that it is gone for good: it then stops. */
export const REMOVED_REFUSAL = "the member has been removed from the cluster";

/** `peerUrls`: where this member is; none where that is not known, or does not matter. */
export function makeHandshake(
  self: Identity,
  to: MemberId,
  refusal = "",
  peerUrls: readonly string[] = [],
): Handshake {
  return handshake({
    clusterId: self.clusterId,
    from: self.memberId,
    to,
    incarnation: self.incarnation,
    protocolMin: PROTOCOL_MIN,
    protocolMax: PROTOCOL_MAX,
    version: QUORATE_VERSION,
    refusal,
    peerUrls,
  });
}

/** Why a peer that says `theirs` must not be listened to; empty if it may be. */
export function refusalOf(
  self: Identity,
  theirs: Handshake,
  isRemoved: (id: MemberId) => boolean,
): string {
  if (theirs.clusterId !== self.clusterId || theirs.incarnation !== self.incarnation) {
    return `it belongs to cluster ${theirs.clusterId.toString(16)}, this member to ${self.clusterId.toString(16)}`;
  }
  if (theirs.to !== self.memberId) {
    return `it asked for member ${theirs.to.toString(16)}, this is ${self.memberId.toString(16)}`;
  }
  if (isRemoved(theirs.from as MemberId)) return REMOVED_REFUSAL;
  if (theirs.protocolMin > PROTOCOL_MAX || theirs.protocolMax < PROTOCOL_MIN) {
    const them = `member ${theirs.from.toString(16)} of version ${theirs.version}`;
    const us = `member ${self.memberId.toString(16)} of version ${QUORATE_VERSION}`;
    return `${them} speaks peer protocol ${theirs.protocolMin} to ${theirs.protocolMax}, ${us} speaks ${PROTOCOL_MIN} to ${PROTOCOL_MAX}`;
  }
  return "";
}
