/** Ranges on the wire and in the index. */
import { toKey, type Key } from "../base/bytes.ts";
import { OPEN_END } from "../mvcc/tree-walk.ts";

/**
 * The end of a range as the index takes it: null for the one key (empty on the wire), OPEN_END for no end (a single zero
 * byte on the wire), else exclusive.
 */
export function toRangeEnd(rangeEnd: Uint8Array): Key | null {
  if (rangeEnd.length === 0) return null;
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return OPEN_END;
  return toKey(rangeEnd);
}
