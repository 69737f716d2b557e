/** Roles: names for sets of permissions, stored as etcd stores them (authpb.Role by name). */
import { compareBytes, equalBytes, keep } from "../base/bytes.ts";
import type { BucketWriter } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { nameBytes, nameOf, sortNames } from "./names.ts";
import type { Permission } from "./permission.ts";

/** As authpb.Role. */
export interface Role {
  readonly name: Uint8Array;
  /** By ascending key. */
  readonly keyPermission: readonly Permission[];
}

export interface RoleCodec {
  encode(role: Role): Uint8Array;
  decode(bytes: Uint8Array): Role;
}

export class Roles {
  readonly #writer: BucketWriter;
  readonly #codec: RoleCodec;
  readonly #byName = new Map<string, Role>();

  constructor(writer: BucketWriter, codec: RoleCodec) {
    this.#writer = writer;
    this.#codec = codec;
  }

  /** Takes in one stored record. */
  load(payload: Uint8Array): void {
    const role = this.#codec.decode(keep(payload));
    this.#byName.set(nameOf(role.name), role);
  }

  get(name: string): Role | null {
    return this.#byName.get(name) ?? null;
  }

  names(): string[] {
    return sortNames(this.#byName.keys());
  }

  add(name: string): void {
    this.#store(name, { name: nameBytes(name), keyPermission: [] });
  }

  remove(name: string): void {
    this.#byName.delete(name);
    this.#writer.delete(Bucket.roles, nameBytes(name));
  }

  /** Takes the place of the permission on the same range, if there is one. */
  grant(name: string, role: Role, permission: Permission): void {
    const { permType, key, rangeEnd } = permission;
    const others = role.keyPermission.filter((each) => !isOn(each, key, rangeEnd));
    const added = { permType, key: keep(key), rangeEnd: keep(rangeEnd) };
    const sorted = [...others, added].sort((a, b) => compareBytes(a.key, b.key));
    this.#store(name, { ...role, keyPermission: sorted });
  }

  /** False if the role has no permission on exactly this range. */
  revoke(name: string, role: Role, key: Uint8Array, rangeEnd: Uint8Array): boolean {
    const left = role.keyPermission.filter((each) => !isOn(each, key, rangeEnd));
    if (left.length === role.keyPermission.length) return false;
    this.#store(name, { ...role, keyPermission: left });
    return true;
  }

  #store(name: string, role: Role): void {
    this.#byName.set(name, role);
    this.#writer.put(Bucket.roles, nameBytes(name), this.#codec.encode(role));
  }
}

function isOn(permission: Permission, key: Uint8Array, rangeEnd: Uint8Array): boolean {
  return equalBytes(permission.key, key) && equalBytes(permission.rangeEnd, rangeEnd);
}
