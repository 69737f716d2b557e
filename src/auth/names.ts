/** Names of users and roles: text on the wire, UTF-8 bytes in the store, in the order of those bytes. */

/** The role that may do everything, and the user that must have it before authentication is enabled. */
export const ROOT = "root";

export function nameBytes(name: string): Uint8Array {
  return Buffer.from(name, "utf8");
}

export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** In the order of their bytes, as etcd lists them. */
export function sortNames(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => Buffer.compare(nameBytes(a), nameBytes(b)));
}
