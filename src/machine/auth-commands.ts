/** Entries that change users, roles and permissions, or make a token known. */
import type { Auth, AuthRefusal } from "../auth/auth.ts";
import { hasNoPassword } from "../auth/users.ts";
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import { decodeRole, decodeUser, encodeRole, encodeUser } from "../api/gen/auth.ts";
import type { Command, CommandKind } from "../api/gen/command.ts";
import type { RoleCodec } from "../auth/roles.ts";
import type { UserCodec } from "../auth/users.ts";
import { toApiError } from "./authorise.ts";

/** authpb.User and authpb.Role. Encoders answer a view that is valid until the next encode: it is stored at once. */
export const AUTH_CODECS: { readonly user: UserCodec; readonly role: RoleCodec } = {
  user: { encode: encodeUser, decode: (bytes) => decodeUser(bytes) },
  role: { encode: encodeRole, decode: (bytes) => decodeRole(bytes) },
};

/** A bcrypt hash in base64, as requests carry it. */
const HASH = /^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** True if it is a bcrypt hash in base64. */
export function isHashedPassword(text: string): boolean {
  return HASH.test(Buffer.from(text, "base64").toString("latin1"));
}

export type AuthOutcome =
  | { readonly kind: "error"; readonly error: ApiError }
  /** Users, roles or permissions are not what they were. */
  | { readonly kind: "changed" }
  | { readonly kind: "granted" };

/** Null: the command is of another kind. `index` is that of the entry, `nowMs` monotonic. */
export function applyAuth(
  auth: Auth,
  command: Command,
  index: number,
  nowMs: number,
): AuthOutcome | null {
  const { kind } = command;
  if (kind === null) return null;
  if (kind.kind === "authenticate") {
    const { name, digest } = kind.value;
    const error = tokenRefusal(auth, name, command.authRevision);
    if (error !== null) return { kind: "error", error };
    auth.tokens.grant(digest, name, index, nowMs);
    return { kind: "granted" };
  }
  const refusal = change(auth, kind);
  if (refusal === "other") return null;
  const error = toApiError(refusal);
  return error === null ? { kind: "changed" } : { kind: "error", error };
}

/** The password was judged at `revision`: since then it may have been changed, the user deleted. */
function tokenRefusal(auth: Auth, name: string, revision: number): ApiError | null {
  if (!auth.enabled) return API_ERRORS.authNotEnabled;
  if (auth.revision !== revision) return API_ERRORS.authOldRevision;
  const user = auth.users.get(name);
  return user === null || hasNoPassword(user) ? API_ERRORS.authFailed : null;
}

function change(auth: Auth, kind: CommandKind): AuthRefusal | null | "other" {
  switch (kind.kind) {
    case "authEnable":
      return auth.enable();
    case "authDisable":
      auth.disable();
      return null;
    case "authUserAdd": {
      const { name, hashedPassword, options } = kind.value;
      return auth.addUser(name, fromBase64(hashedPassword), options?.noPassword ?? false);
    }
    case "authUserDelete":
      return auth.deleteUser(kind.value.name);
    case "authUserChangePassword":
      return auth.changePassword(kind.value.name, fromBase64(kind.value.hashedPassword));
    case "authUserGrantRole":
      return auth.grantRole(kind.value.user, kind.value.role);
    case "authUserRevokeRole":
      return auth.revokeRole(kind.value.name, kind.value.role);
    case "authRoleAdd":
      return auth.addRole(kind.value.name);
    case "authRoleDelete":
      return auth.deleteRole(kind.value.role);
    case "authRoleGrantPermission":
      return auth.grantPermission(kind.value.name, kind.value.perm);
    case "authRoleRevokePermission":
      return auth.revokePermission(kind.value.role, kind.value.key, kind.value.rangeEnd);
    default:
      return "other";
  }
}

function fromBase64(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}
