/** Users and roles over a store that only remembers. */
import { decodeRole, decodeUser, encodeRole, encodeUser } from "../../../src/api/gen/auth.ts";
import { Auth, type AuthRows } from "../../../src/auth/auth.ts";
import { PermissionType, type Permission } from "../../../src/auth/permission.ts";
import { Bucket } from "../../../src/backend/buckets.ts";
import type { BucketWriter } from "../../../src/backend/backend.ts";

const CODECS = {
  user: { encode: encodeUser, decode: (bytes: Uint8Array) => decodeUser(bytes) },
  role: { encode: encodeRole, decode: (bytes: Uint8Array) => decodeRole(bytes) },
};

/** By bucket and key, in hexadecimal. */
export class Records implements BucketWriter {
  readonly rows: Map<number, Map<string, Uint8Array>> = new Map();

  put(bucket: Bucket, key: Uint8Array, payload: Uint8Array): void {
    const rows = this.rows.get(bucket) ?? new Map<string, Uint8Array>();
    this.rows.set(bucket, rows.set(Buffer.from(key).toString("hex"), Buffer.from(payload)));
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.rows.get(bucket)?.delete(Buffer.from(key).toString("hex"));
  }

  of(bucket: Bucket): [Uint8Array, Uint8Array][] {
    const rows = this.rows.get(bucket) ?? new Map<string, Uint8Array>();
    return [...rows].map(([key, payload]) => [Buffer.from(key, "hex"), payload]);
  }
}

export function openAuth(records: Records): Auth {
  const rows: AuthRows = {
    auth: records.of(Bucket.auth),
    users: records.of(Bucket.users),
    roles: records.of(Bucket.roles),
  };
  return new Auth(records, CODECS, rows);
}

/** With root, and enabled. */
export function enabledAuth(records: Records = new Records()): Auth {
  const auth = openAuth(records);
  auth.addUser("root", text("hash"), false);
  auth.grantRole("root", "root");
  auth.enable();
  return auth;
}

export function text(of: string): Uint8Array {
  return Buffer.from(of, "latin1");
}

export function permissionOn(
  key: string,
  rangeEnd: string,
  permType: number = PermissionType.readWrite,
): Permission {
  return { permType, key: text(key), rangeEnd: text(rangeEnd) };
}
