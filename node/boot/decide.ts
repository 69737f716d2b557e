/** What a member may do, by its boot file and by what lies on its disk. Pure: nothing is remembered, nothing is done. */
import type { BootFence, BootFile, BootTicket } from "../../src/api/boot.ts";
import { unreachable } from "../../src/base/assert.ts";
import type { Identity } from "../data-dir.ts";

/** What lies in the data directory. */
export interface BootDisk {
  /** Null: no member lives here. */
  readonly identity: Identity | null;
  /** The tombstone of a member that was removed. */
  readonly removed: boolean;
  /** Why a disk without a member may not get one: it holds something else. Null: it is empty. */
  readonly foreign: string | null;
}

export type BootDecision =
  /** AwaitingTicket. */
  | { readonly kind: "await"; readonly reason: string }
  | { readonly kind: "fenced"; readonly reason: string }
  /** As the member that lives here. */
  | { readonly kind: "start" }
  /** As the first of a new cluster. */
  | { readonly kind: "bootstrap"; readonly ticket: BootTicket }
  /** As a new one of a cluster that runs; `memberId`: the only one that the fence would let go on. Null: any. */
  | { readonly kind: "join"; readonly ticket: BootTicket; readonly memberId: string | null }
  /** As the only one of what comes next. */
  | { readonly kind: "forceNew"; readonly ticket: BootTicket };

const REMOVED = "this member was removed from the cluster: its disk may be wiped";

export function decideBoot(file: BootFile, disk: BootDisk): BootDecision {
  if (disk.removed) return { kind: "fenced", reason: REMOVED };
  return disk.identity === null
    ? decideEmpty(file, disk.foreign)
    : decideInhabited(file, disk.identity);
}

function decideEmpty({ ticket, fence }: BootFile, foreign: string | null): BootDecision {
  const wait = (reason: string): BootDecision => ({ kind: "await", reason });
  if (foreign !== null) return wait(foreign);
  if (ticket === null) return wait("the disk is empty and there is no ticket");
  if (fence !== null && ticket.incarnation < fence.incarnation) {
    return wait(
      `the ticket is of incarnation ${ticket.incarnation}, the cluster of ${fence.incarnation}`,
    );
  }
  switch (ticket.mode) {
    case "bootstrap": {
      const known = ticket.clusterId ?? fence?.clusterId ?? null;
      if (known === null) return { kind: "bootstrap", ticket };
      return wait(`the ticket would begin a cluster, but cluster ${known} has begun already`);
    }
    case "join":
      return { kind: "join", ticket, memberId: fence?.memberId ?? null };
    case "forceNew":
      return wait("the ticket is for data that are there, and the disk is empty");
    default:
      return unreachable(ticket.mode);
  }
}

/**
 * A ticket that was used says nothing any more. Of one that was not, only `forceNew` allows anything, and only upwards: a file
 * that comes late names a nonce of long ago, which nobody remembers, but never a higher incarnation.
 */
function decideInhabited({ ticket, fence }: BootFile, own: Identity): BootDecision {
  const unused = ticket !== null && ticket.nonce !== own.usedNonce ? ticket : null;
  if (unused?.mode === "forceNew" && unused.incarnation > own.fenceIncarnation) {
    const reason =
      clusterRefusal(unused.clusterId, own) ??
      memberRefusal(fence?.memberId, own) ??
      incarnationRefusal(fence?.incarnation ?? 1, unused.incarnation);
    return reason === null ? { kind: "forceNew", ticket: unused } : { kind: "fenced", reason };
  }
  // What this disk did with its ticket made another cluster of it: the fence beside the ticket cannot know that yet.
  const forced = ticket !== null && unused === null && ticket.mode === "forceNew";
  const reasons = [
    unused === null ? null : fenceRefusal({ ...unused, memberId: null }, own),
    fence === null ? null : fenceRefusal(forced ? { ...fence, clusterId: null } : fence, own),
  ];
  const reason = reasons.find((each) => each !== null) ?? null;
  return reason === null ? { kind: "start" } : { kind: "fenced", reason };
}

/** A fence below what the disk has reached is one of the past. */
function fenceRefusal(fence: BootFence, own: Identity): string | null {
  if (fence.incarnation < own.fenceIncarnation) return null;
  return (
    incarnationRefusal(fence.incarnation, own.fenceIncarnation) ??
    clusterRefusal(fence.clusterId, own) ??
    memberRefusal(fence.memberId, own)
  );
}

function incarnationRefusal(wanted: number, reached: number): string | null {
  if (wanted <= reached) return null;
  return `the cluster was recovered without this disk: it is of incarnation ${reached}, the cluster of ${wanted}`;
}

function clusterRefusal(wanted: string | null, { clusterId }: Identity): string | null {
  if (wanted === null || BigInt(`0x${wanted}`) === clusterId) return null;
  return `this disk is of cluster ${clusterId.toString(16)}, not of ${wanted}`;
}

function memberRefusal(wanted: string | null | undefined, { memberId }: Identity): string | null {
  if (wanted === null || wanted === undefined || BigInt(`0x${wanted}`) === memberId) return null;
  return `this disk is member ${memberId.toString(16)}, whose place member ${wanted} has taken`;
}
