/** A key with its value and versions, as results hold it. */
import type { KeyValue as WireKeyValue } from "../api/gen/mvcc.ts";
import { toText } from "./bytes.ts";

export class KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Revision at which the key was created last. */
  readonly createRevision: number;
  /** Revision of this value. */
  readonly modRevision: number;
  /** Writes since the creation, itself counted; 0 in the event of a deletion. */
  readonly version: number;
  /** 0n: none. */
  readonly lease: bigint;

  constructor(wire: WireKeyValue) {
    this.key = wire.key;
    this.value = wire.value;
    this.createRevision = wire.createRevision;
    this.modRevision = wire.modRevision;
    this.version = wire.version;
    this.lease = wire.lease;
  }

  /** The key as UTF-8. */
  get keyText(): string {
    return toText(this.key);
  }

  /** The value as UTF-8. */
  get text(): string {
    return toText(this.value);
  }

  /** The value as JSON; throws a SyntaxError where it is none. */
  json(): unknown {
    return JSON.parse(this.text);
  }
}

export function toKeyValue(wire: WireKeyValue | null): KeyValue | null {
  return wire === null ? null : new KeyValue(wire);
}
