/** Whose history is wrong: what most members hold is right. */
import type { MemberId } from "../../src/raft/types.ts";

/** What one member answered, at a revision and compact revision that all of them were asked for. */
export interface MemberHash {
  readonly id: MemberId;
  readonly hash: number;
}

export type Verdict =
  | { readonly kind: "equal" }
  /** A majority of all members holds the same; these hold something else. */
  | { readonly kind: "minority"; readonly condemned: readonly MemberId[] }
  /** They differ, and no hash has a majority: nobody knows who is right. */
  | { readonly kind: "split" };

/** `members` counts all members of the cluster, those that did not answer included. */
export function judge(hashes: readonly MemberHash[], members: number): Verdict {
  const holders = new Map<number, MemberId[]>();
  for (const { id, hash } of hashes) {
    const ids = holders.get(hash);
    if (ids === undefined) holders.set(hash, [id]);
    else ids.push(id);
  }
  if (holders.size <= 1) return { kind: "equal" };
  const majority = [...holders].find(([, ids]) => ids.length > members / 2);
  if (majority === undefined) return { kind: "split" };
  const condemned = hashes.filter(({ hash }) => hash !== majority[0]).map(({ id }) => id);
  return { kind: "minority", condemned };
}
