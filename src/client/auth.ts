/** Users, roles and what they may do. */
import { type Permission, PermissionType } from "../api/gen/auth.ts";
import { Auth as AuthService } from "../api/gen/methods.ts";
import { type KeyRange, toWireRange } from "./bytes.ts";
import type { Calls } from "./calls.ts";
import type { CallOptions } from "./time.ts";

export { type Permission, PermissionType };

export interface AuthStatus {
  readonly enabled: boolean;
  /** Grows with every change of users, roles and permissions. */
  readonly revision: number;
}

export class Auth {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Needs a user root with the role root. */
  async enable(options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.authEnable, {}, "write", options);
  }

  async disable(options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.authDisable, {}, "write", options);
  }

  async status(options: CallOptions = {}): Promise<AuthStatus> {
    const answer = await this.#calls.unary(AuthService.authStatus, {}, "read", options);
    return { enabled: answer.enabled, revision: answer.authRevision };
  }

  /** `password` null: a user that is known by its certificate alone. */
  async addUser(name: string, password: string | null, options: CallOptions = {}): Promise<void> {
    const request = {
      name,
      password: password ?? "",
      options: { noPassword: password === null },
      hashedPassword: "",
    };
    await this.#calls.unary(AuthService.userAdd, request, "write", options);
  }

  async deleteUser(name: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.userDelete, { name }, "write", options);
  }

  async changePassword(name: string, password: string, options: CallOptions = {}): Promise<void> {
    const request = { name, password, hashedPassword: "" };
    await this.#calls.unary(AuthService.userChangePassword, request, "write", options);
  }

  async users(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#calls.unary(AuthService.userList, {}, "read", options)).users;
  }

  /** The user's roles. */
  async rolesOf(name: string, options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#calls.unary(AuthService.userGet, { name }, "read", options)).roles;
  }

  async grantRole(user: string, role: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.userGrantRole, { user, role }, "write", options);
  }

  async revokeRole(user: string, role: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.userRevokeRole, { name: user, role }, "write", options);
  }

  async addRole(name: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.roleAdd, { name }, "write", options);
  }

  async deleteRole(role: string, options: CallOptions = {}): Promise<void> {
    await this.#calls.unary(AuthService.roleDelete, { role }, "write", options);
  }

  async roles(options: CallOptions = {}): Promise<readonly string[]> {
    return (await this.#calls.unary(AuthService.roleList, {}, "read", options)).roles;
  }

  async permissionsOf(role: string, options: CallOptions = {}): Promise<readonly Permission[]> {
    return (await this.#calls.unary(AuthService.roleGet, { role }, "read", options)).perm;
  }

  async grantPermission(
    role: string,
    access: keyof typeof PermissionType,
    range: KeyRange,
    options: CallOptions = {},
  ): Promise<void> {
    const perm = { permType: PermissionType[access], ...toWireRange(range) };
    const request = { name: role, perm };
    await this.#calls.unary(AuthService.roleGrantPermission, request, "write", options);
  }

  async revokePermission(role: string, range: KeyRange, options: CallOptions = {}): Promise<void> {
    const request = { role, ...toWireRange(range) };
    await this.#calls.unary(AuthService.roleRevokePermission, request, "write", options);
  }
}
