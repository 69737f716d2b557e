/** Users: in memory, and stored as etcd stores them (authpb.User by name), so that databases move both ways. */
import { EMPTY, keep } from "../base/bytes.ts";
import type { BucketWriter } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { nameBytes, nameOf, ROOT, sortNames } from "./names.ts";

/** As authpb.User. */
export interface User {
  readonly name: Uint8Array;
  /** A bcrypt hash; empty where no password fits. */
  readonly password: Uint8Array;
  /** Sorted. */
  readonly roles: readonly string[];
  readonly options: { readonly noPassword: boolean } | null;
}

export interface UserCodec {
  encode(user: User): Uint8Array;
  decode(bytes: Uint8Array): User;
}

export class Users {
  readonly #writer: BucketWriter;
  readonly #codec: UserCodec;
  readonly #byName = new Map<string, User>();

  constructor(writer: BucketWriter, codec: UserCodec) {
    this.#writer = writer;
    this.#codec = codec;
  }

  /** Takes in one stored record. */
  load(payload: Uint8Array): void {
    const user = this.#codec.decode(keep(payload));
    this.#byName.set(nameOf(user.name), user);
  }

  get(name: string): User | null {
    return this.#byName.get(name) ?? null;
  }

  names(): string[] {
    return sortNames(this.#byName.keys());
  }

  /** A new user; `password` is kept. The name must be free. */
  add(name: string, password: Uint8Array, noPassword: boolean): void {
    const hash = noPassword ? EMPTY : keep(password);
    this.#store(name, {
      name: nameBytes(name),
      password: hash,
      roles: [],
      options: { noPassword },
    });
  }

  remove(name: string): void {
    this.#byName.delete(name);
    this.#writer.delete(Bucket.users, nameBytes(name));
  }

  setPassword(name: string, user: User, password: Uint8Array): void {
    const hash = hasNoPassword(user) ? EMPTY : keep(password);
    this.#store(name, { ...user, password: hash });
  }

  setRoles(name: string, user: User, roles: Iterable<string>): void {
    this.#store(name, { ...user, roles: sortNames(roles) });
  }

  /** Nobody has the role any more. */
  dropRole(role: string): void {
    for (const name of this.names()) {
      const user = this.#byName.get(name);
      if (user === undefined || !user.roles.includes(role)) continue;
      this.setRoles(
        name,
        user,
        user.roles.filter((each) => each !== role),
      );
    }
  }

  #store(name: string, user: User): void {
    this.#byName.set(name, user);
    this.#writer.put(Bucket.users, nameBytes(name), this.#codec.encode(user));
  }
}

export function isRoot(user: User): boolean {
  return user.roles.includes(ROOT);
}

/** Known by certificate alone. */
export function hasNoPassword(user: User): boolean {
  return user.options?.noPassword ?? false;
}
