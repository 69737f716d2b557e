import type { Key } from "../base/bytes.ts";

/** One live version of a key, as the index knows it. A handle: its record may be in memory, on its way, or stored. */
export class Version {
  readonly key: Key;
  /** Main revision that created the key (the first put since it was absent). */
  readonly create: number;
  /** Main revision of this version: mod_revision. */
  readonly main: number;
  readonly sub: number;
  /** 1 for the first put since the key was absent. */
  readonly version: number;
  /** The encoded KeyValue where it was at hand when the handle was made. */
  readonly record: Uint8Array | null;

  constructor(
    key: Key,
    create: number,
    main: number,
    sub: number,
    version: number,
    record: Uint8Array | null,
  ) {
    this.key = key;
    this.create = create;
    this.main = main;
    this.sub = sub;
    this.version = version;
    this.record = record;
  }
}
