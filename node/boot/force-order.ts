/**
 * What a member that is to be the only one has become, written down before any of it is true: from then on every start carries
 * it out to its end, whoever asks for it or does not any more. The file `FORCE` is gone once it is done.
 */
import { QuorateError } from "../../src/base/errors.ts";
import type { Index, MemberId, Term } from "../../src/raft/types.ts";
import type { DataDir, Identity } from "../data-dir.ts";

export interface ForceOrder {
  /** Of the cluster that begins. */
  readonly identity: Identity;
  /** Name of the store directory that holds its state. */
  readonly store: string;
  /** Where its log begins: the entry that the state counts as applied last. */
  readonly index: Index;
  readonly term: Term;
}

/** Null where there is none. Throws "corruption" for a file that nobody of ours wrote. */
export function readForceOrder(dataDir: DataDir): ForceOrder | null {
  const text = dataDir.readText("FORCE");
  if (text === null) return null;
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    const { clusterId, memberId, incarnation, fenceIncarnation, usedNonce } = found;
    const { store, index, term } = found;
    if (typeof store !== "string" || !/^store\.\d+$/.test(store)) throw new TypeError("no store");
    return {
      identity: {
        clusterId: toId(clusterId),
        memberId: toId(memberId) as MemberId,
        incarnation: toId(incarnation),
        fenceIncarnation: toCount(fenceIncarnation),
        usedNonce: typeof usedNonce === "string" ? usedNonce : null,
      },
      store,
      index: toCount(index) as Index,
      term: toCount(term) as Term,
    };
  } catch (error) {
    throw new QuorateError(
      "corruption",
      `${dataDir.member}/FORCE cannot be read: put the copy back that lies beside ${dataDir.member}`,
      error,
    );
  }
}

export function writeForceOrder(dataDir: DataDir, order: ForceOrder): void {
  const { identity, store, index, term } = order;
  const text = JSON.stringify({
    clusterId: identity.clusterId.toString(16),
    memberId: identity.memberId.toString(16),
    incarnation: identity.incarnation.toString(16),
    fenceIncarnation: identity.fenceIncarnation,
    usedNonce: identity.usedNonce,
    store,
    index,
    term,
  });
  dataDir.writeText("FORCE", text);
}

function toId(text: unknown): bigint {
  if (typeof text !== "string" || !/^[0-9a-f]{1,16}$/.test(text)) throw new TypeError("no id");
  return BigInt(`0x${text}`);
}

function toCount(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new TypeError("no count");
  return value;
}
