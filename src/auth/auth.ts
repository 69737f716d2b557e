/**
 * The replicated state of authentication: whether it is on, users, roles, and the revision that counts their changes. What
 * entries do here is a function of the state and the entry alone; tokens are the exception, known to a member and not
 * stored (token.ts).
 *
 * ```
 * bucket auth:  "authEnabled"  -> 1 byte, 0 or 1
 *               "authRevision" -> 8 bytes, big-endian; absent: 1
 * bucket users: name -> authpb.User       bucket roles: name -> authpb.Role
 * ```
 * As in etcd's database, name by name and byte by byte. May change only by adding a key.
 */
import { QuorateError } from "../base/errors.ts";
import type { BucketWriter } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";
import { nameOf, ROOT } from "./names.ts";
import { isValidRange, mergeGrants, type Grants, type Permission } from "./permission.ts";
import { Roles, type RoleCodec } from "./roles.ts";
import { SimpleTokens } from "./token.ts";
import { isRoot, Users, type User, type UserCodec } from "./users.ts";

/** Why a change or a request is refused: names of rows of the catalogue. */
export type AuthRefusal =
  | "rootUserNotExist"
  | "rootRoleNotExist"
  | "userExists"
  | "userEmpty"
  | "userNotFound"
  | "roleExists"
  | "roleNotFound"
  | "roleEmpty"
  | "permissionNotGiven"
  | "permissionDenied"
  | "roleNotGranted"
  | "permissionNotGranted"
  | "invalidAuthManagement"
  | "authOldRevision";

export type AuthRows = Readonly<
  Record<"auth" | "users" | "roles", Iterable<readonly [key: Uint8Array, payload: Uint8Array]>>
>;

const ENABLED_KEY = Buffer.from("authEnabled");
const REVISION_KEY = Buffer.from("authRevision");
/** Of a store that never saw a user. */
const FIRST_REVISION = 1;
const EVERYTHING: Permission = {
  permType: 2,
  key: Buffer.alloc(0),
  rangeEnd: Buffer.from([0]),
};

export class Auth {
  readonly users: Users;
  readonly roles: Roles;
  readonly tokens: SimpleTokens = new SimpleTokens();
  readonly #writer: BucketWriter;
  #enabled = false;
  #revision = FIRST_REVISION;
  /** What users may do, merged when first asked; dropped at each change. */
  readonly #grants = new Map<string, Grants>();

  constructor(
    writer: BucketWriter,
    codecs: { readonly user: UserCodec; readonly role: RoleCodec },
    rows: AuthRows,
  ) {
    this.#writer = writer;
    this.users = new Users(writer, codecs.user);
    this.roles = new Roles(writer, codecs.role);
    for (const [key, payload] of rows.auth) this.#load(nameOf(key), payload);
    for (const [, payload] of rows.users) this.users.load(payload);
    for (const [, payload] of rows.roles) this.roles.load(payload);
  }

  /** Asked for every request: with authentication off, the only question. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Counts changes of users, roles and permissions. */
  get revision(): number {
    return this.#revision;
  }

  /** Merged permissions of a user; null if there is no such user. */
  grantsOf(name: string): Grants | null {
    const known = this.#grants.get(name);
    if (known !== undefined) return known;
    const user = this.users.get(name);
    if (user === null) return null;
    const permissions = user.roles.flatMap((role) => this.roles.get(role)?.keyPermission ?? []);
    const grants = mergeGrants(isRoot(user), permissions);
    this.#grants.set(name, grants);
    return grants;
  }

  /** What forbids a user what only root may; null if nothing does. */
  adminRefusal(name: string): AuthRefusal | null {
    if (name === "") return "userEmpty";
    const grants = this.grantsOf(name);
    if (grants === null) return "userNotFound";
    return grants.root ? null : "permissionDenied";
  }

  enable(): AuthRefusal | null {
    if (this.#enabled) return null;
    const root = this.users.get(ROOT);
    if (root === null) return "rootUserNotExist";
    if (!isRoot(root)) return "rootRoleNotExist";
    this.#setEnabled(true);
    this.#grants.clear();
    return null;
  }

  /** Every token is forgotten. */
  disable(): void {
    if (!this.#enabled) return;
    this.#setEnabled(false);
    this.tokens.clear();
    this.#changed();
  }

  /** `password` is a bcrypt hash. */
  addUser(name: string, password: Uint8Array, noPassword: boolean): AuthRefusal | null {
    if (name === "") return "userEmpty";
    if (this.users.get(name) !== null) return "userExists";
    this.users.add(name, password, noPassword);
    return this.#changed();
  }

  deleteUser(name: string): AuthRefusal | null {
    if (this.#enabled && name === ROOT) return "invalidAuthManagement";
    if (this.users.get(name) === null) return "userNotFound";
    this.users.remove(name);
    this.tokens.forgetUser(name);
    return this.#changed();
  }

  /** `password` is a bcrypt hash. Ends the user's tokens. */
  changePassword(name: string, password: Uint8Array): AuthRefusal | null {
    const user = this.users.get(name);
    if (user === null) return "userNotFound";
    this.users.setPassword(name, user, password);
    this.tokens.forgetUser(name);
    return this.#changed();
  }

  grantRole(name: string, role: string): AuthRefusal | null {
    const user = this.users.get(name);
    if (user === null) return "userNotFound";
    // The role root needs no object of its own.
    if (role !== ROOT && this.roles.get(role) === null) return "roleNotFound";
    if (user.roles.includes(role)) return null;
    this.users.setRoles(name, user, [...user.roles, role]);
    return this.#changed();
  }

  revokeRole(name: string, role: string): AuthRefusal | null {
    if (this.#enabled && name === ROOT && role === ROOT) return "invalidAuthManagement";
    const user = this.users.get(name);
    if (user === null) return "userNotFound";
    if (!user.roles.includes(role)) return "roleNotGranted";
    this.users.setRoles(
      name,
      user,
      user.roles.filter((each) => each !== role),
    );
    return this.#changed();
  }

  addRole(name: string): AuthRefusal | null {
    if (name === "") return "roleEmpty";
    if (this.roles.get(name) !== null) return "roleExists";
    this.roles.add(name);
    return this.#changed();
  }

  deleteRole(name: string): AuthRefusal | null {
    if (this.#enabled && name === ROOT) return "invalidAuthManagement";
    if (this.roles.get(name) === null) return "roleNotFound";
    this.roles.remove(name);
    this.users.dropRole(name);
    return this.#changed();
  }

  grantPermission(name: string, permission: Permission | null): AuthRefusal | null {
    if (permission === null) return "permissionNotGiven";
    if (!isValidRange(permission.key, permission.rangeEnd)) return "invalidAuthManagement";
    const role = this.roles.get(name);
    if (role === null) return "roleNotFound";
    this.roles.grant(name, role, permission);
    return this.#changed();
  }

  revokePermission(name: string, key: Uint8Array, rangeEnd: Uint8Array): AuthRefusal | null {
    const role = this.roles.get(name);
    if (role === null) return "roleNotFound";
    if (!this.roles.revoke(name, role, key, rangeEnd)) return "permissionNotGranted";
    return this.#changed();
  }

  /** As a client is shown them; null if there is no such role. */
  permissionsOf(name: string): readonly Permission[] | null {
    const role = this.roles.get(name);
    if (role === null) return null;
    return name === ROOT ? [EVERYTHING] : role.keyPermission;
  }

  /** Tokens of a state that this one takes the place of, as far as their users still have the same password. */
  inheritTokens(before: Auth): void {
    if (!this.#enabled) return;
    this.tokens.inherit(before.tokens, (name) =>
      sameCredential(before.users.get(name), this.users.get(name)),
    );
  }

  #changed(): null {
    this.#revision++;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(this.#revision));
    this.#writer.put(Bucket.auth, REVISION_KEY, bytes);
    this.#grants.clear();
    return null;
  }

  #setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#writer.put(Bucket.auth, ENABLED_KEY, Buffer.from([enabled ? 1 : 0]));
  }

  #load(key: string, payload: Uint8Array): void {
    if (key === "authEnabled" && payload.length === 1) {
      this.#enabled = payload[0] === 1;
    } else if (key === "authRevision" && payload.length === 8) {
      const view = new DataView(payload.buffer, payload.byteOffset, 8);
      this.#revision = Number(view.getBigUint64(0));
    } else {
      throw new QuorateError("corruption", `The record '${key}' of auth is of no known version`);
    }
  }
}

function sameCredential(before: User | null, now: User | null): boolean {
  return before !== null && now !== null && Buffer.compare(before.password, now.password) === 0;
}
