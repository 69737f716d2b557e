/** The conditions of a transaction. */
import {
  type Compare,
  CompareResult,
  CompareTarget,
  type CompareTargetUnion,
} from "../api/gen/kv.ts";
import { type Bytes, type KeyRange, toBytes, toWireRange } from "./bytes.ts";

export type { Compare };

export type Comparison = "=" | "!=" | "<" | ">";

const RESULTS: Readonly<Record<Comparison, number>> = {
  "=": CompareResult.equal,
  "!=": CompareResult.notEqual,
  "<": CompareResult.less,
  ">": CompareResult.greater,
};

function build(
  range: KeyRange,
  comparison: Comparison,
  target: number,
  targetUnion: CompareTargetUnion,
): Compare {
  return { ...toWireRange(range), result: RESULTS[comparison], target, targetUnion };
}

/**
 * Conditions on a key, or on every key of a range. A key that does not exist has version, revisions and lease 0, and fails
 * any comparison of its value.
 */
export const compare = {
  /** Writes since the key's creation, itself counted. */
  version(range: KeyRange, comparison: Comparison, value: number): Compare {
    return build(range, comparison, CompareTarget.version, { kind: "version", value });
  },

  createRevision(range: KeyRange, comparison: Comparison, value: number): Compare {
    return build(range, comparison, CompareTarget.create, { kind: "createRevision", value });
  },

  modRevision(range: KeyRange, comparison: Comparison, value: number): Compare {
    return build(range, comparison, CompareTarget.mod, { kind: "modRevision", value });
  },

  /** Byte by byte. */
  value(range: KeyRange, comparison: Comparison, value: Bytes): Compare {
    const bytes = toBytes(value);
    return build(range, comparison, CompareTarget.value, { kind: "value", value: bytes });
  },

  lease(range: KeyRange, comparison: Comparison, value: bigint): Compare {
    return build(range, comparison, CompareTarget.lease, { kind: "lease", value });
  },

  exists(key: Bytes): Compare {
    return compare.createRevision(key, ">", 0);
  },

  missing(range: KeyRange): Compare {
    return compare.createRevision(range, "=", 0);
  },
};
