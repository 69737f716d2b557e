/** The Auth service. Changes go through the log, passwords never do; questions are answered from a linearizable read. */
import { API_ERRORS, toError, type ApiError } from "../../src/api/catalogue.ts";
import {
  authUserAddRequest,
  authUserChangePasswordRequest,
  decodeAuthenticateRequest,
  decodeAuthRoleGetRequest,
  decodeAuthUserAddRequest,
  decodeAuthUserChangePasswordRequest,
  decodeAuthUserGetRequest,
  encodeAuthDisableResponse,
  encodeAuthEnableResponse,
  encodeAuthenticateResponse,
  encodeAuthRoleAddResponse,
  encodeAuthRoleDeleteResponse,
  encodeAuthRoleGetResponse,
  encodeAuthRoleGrantPermissionResponse,
  encodeAuthRoleListResponse,
  encodeAuthRoleRevokePermissionResponse,
  encodeAuthStatusResponse,
  encodeAuthUserAddRequest,
  encodeAuthUserAddResponse,
  encodeAuthUserChangePasswordRequest,
  encodeAuthUserChangePasswordResponse,
  encodeAuthUserDeleteResponse,
  encodeAuthUserGetResponse,
  encodeAuthUserGrantRoleResponse,
  encodeAuthUserListResponse,
  encodeAuthUserRevokeRoleResponse,
} from "../../src/api/gen/auth-service.ts";
import { encodeTokenGrant } from "../../src/api/gen/command.ts";
import type { ResponseHeader } from "../../src/api/gen/header.ts";
import { Auth } from "../../src/api/gen/methods.ts";
import { digestOf, newTokenPrefix } from "../../src/auth/token.ts";
import { hasNoPassword } from "../../src/auth/users.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { isHashedPassword } from "../../src/machine/auth-commands.ts";
import { CommandField } from "../../src/machine/command.ts";
import type { Reply } from "../../src/machine/reply.ts";
import { EntryKind } from "../../src/raft/types.ts";
import { fail, failWith, linearize, proposeCall, proposeOwn, type Answer } from "./answer.ts";
import type { Unary } from "./authorise.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";
import { outdated, type Principal } from "./principal.ts";

/** A response of nothing but a header. */
type EncodeDone = (response: { readonly header: ResponseHeader }) => Uint8Array;

/** A change whose request goes into the log as it came. */
function changing(field: CommandField, encode: EncodeDone): Unary {
  const answer = answerDone(encode);
  return (host, call, message, who) => proposeCall(host, call, field, message, answer, who);
}

function answerDone(encode: EncodeDone): Answer {
  return (host, call, reply) => call.reply(encode({ header: headerOf(host, reply.revision) }));
}

const authEnable: Unary = changing(CommandField.authEnable, encodeAuthEnableResponse);
const authDisable: Unary = changing(CommandField.authDisable, encodeAuthDisableResponse);
const userDelete: Unary = changing(CommandField.authUserDelete, encodeAuthUserDeleteResponse);
const userGrantRole: Unary = changing(
  CommandField.authUserGrantRole,
  encodeAuthUserGrantRoleResponse,
);
const userRevokeRole: Unary = changing(
  CommandField.authUserRevokeRole,
  encodeAuthUserRevokeRoleResponse,
);
const roleAdd: Unary = changing(CommandField.authRoleAdd, encodeAuthRoleAddResponse);
const roleDelete: Unary = changing(CommandField.authRoleDelete, encodeAuthRoleDeleteResponse);
const roleGrantPermission: Unary = changing(
  CommandField.authRoleGrantPermission,
  encodeAuthRoleGrantPermissionResponse,
);
const roleRevokePermission: Unary = changing(
  CommandField.authRoleRevokePermission,
  encodeAuthRoleRevokePermissionResponse,
);

const answerUserAdd: Answer = answerDone(encodeAuthUserAddResponse);
const answerPassword: Answer = answerDone(encodeAuthUserChangePasswordResponse);

/** With a password, a hash of one, or `no_password`. */
function userAdd(host: Host, call: ServerCall, message: Uint8Array, who: Principal | null): void {
  const { name, password, options, hashedPassword } = decodeAuthUserAddRequest(message);
  const given = { name, options };
  const propose = (hash: string): void => {
    const body = encodeAuthUserAddRequest(authUserAddRequest({ ...given, hashedPassword: hash }));
    proposeCall(host, call, CommandField.authUserAdd, body, answerUserAdd, who);
  };
  if (options?.noPassword === true) propose("");
  else hashThen(host, call, { password, hashedPassword, hashEmpty: true }, propose);
}

/** Without a password, the user has none that fits from now on. */
function userChangePassword(
  host: Host,
  call: ServerCall,
  message: Uint8Array,
  who: Principal | null,
): void {
  const { name, password, hashedPassword } = decodeAuthUserChangePasswordRequest(message);
  hashThen(host, call, { password, hashedPassword, hashEmpty: false }, (hash) => {
    const request = authUserChangePasswordRequest({ name, hashedPassword: hash });
    const body = encodeAuthUserChangePasswordRequest(request);
    proposeCall(host, call, CommandField.authUserChangePassword, body, answerPassword, who);
  });
}

interface GivenPassword {
  readonly password: string;
  /** Base64 of a bcrypt hash; counts where no password is given. */
  readonly hashedPassword: string;
  /** Whether the empty text is a password. */
  readonly hashEmpty: boolean;
}

function hashThen(
  host: Host,
  call: ServerCall,
  given: GivenPassword,
  propose: (hash: string) => void,
): void {
  const { password, hashedPassword, hashEmpty } = given;
  if (password === "" && hashedPassword !== "") {
    if (isHashedPassword(hashedPassword)) propose(hashedPassword);
    else fail(call, API_ERRORS.noPasswordUser);
  } else if (password === "" && !hashEmpty) propose("");
  else {
    host.logins.passwords
      .hash(password)
      .then((hash) => propose(Buffer.from(hash).toString("base64")))
      .catch((error: unknown) => failWith(call, error));
  }
}

function userGet(host: Host, call: ServerCall, message: Uint8Array, who: Principal | null): void {
  const { name } = decodeAuthUserGetRequest(message);
  ask(host, call, who, (header) => {
    const user = host.machine.auth.users.get(name);
    if (user === null) return API_ERRORS.userNotFound;
    return encodeAuthUserGetResponse({ header, roles: user.roles });
  });
}

function userList(host: Host, call: ServerCall, _: Uint8Array, who: Principal | null): void {
  ask(host, call, who, (header) =>
    encodeAuthUserListResponse({ header, users: host.machine.auth.users.names() }),
  );
}

function roleGet(host: Host, call: ServerCall, message: Uint8Array, who: Principal | null): void {
  const { role } = decodeAuthRoleGetRequest(message);
  ask(host, call, who, (header) => {
    const perm = host.machine.auth.permissionsOf(role);
    return perm === null ? API_ERRORS.roleNotFound : encodeAuthRoleGetResponse({ header, perm });
  });
}

function roleList(host: Host, call: ServerCall, _: Uint8Array, who: Principal | null): void {
  ask(host, call, who, (header) =>
    encodeAuthRoleListResponse({ header, roles: host.machine.auth.roles.names() }),
  );
}

function authStatus(host: Host, call: ServerCall, _: Uint8Array, who: Principal | null): void {
  ask(host, call, who, (header) => {
    const { enabled, revision } = host.machine.auth;
    return encodeAuthStatusResponse({ header, enabled, authRevision: revision });
  });
}

/** Answers from the state of a linearizable read, if who asks is still as they were. */
function ask(
  host: Host,
  call: ServerCall,
  who: Principal | null,
  answer: (header: ResponseHeader) => Uint8Array | ApiError,
): void {
  linearize(host)
    .then(() => {
      const error = outdated(host, who);
      const response = error ?? answer(headerOf(host, host.machine.store.revision));
      if (response instanceof Uint8Array) call.reply(response);
      else fail(call, response);
    })
    .catch((error: unknown) => failWith(call, error));
}

/** Times a password is judged anew because users or roles changed meanwhile. */
const AUTHENTICATE_ATTEMPTS = 10;

function authenticate(host: Host, call: ServerCall, message: Uint8Array): void {
  const { name, password } = decodeAuthenticateRequest(message);
  login(host, name, password).then(
    ({ token, reply }) => {
      const header = headerOf(host, reply?.revision ?? host.machine.store.revision);
      call.reply(encodeAuthenticateResponse({ header, token }));
    },
    (error: unknown) => failWith(call, error),
  );
}

interface Login {
  readonly token: string;
  /** Null where the token needs no entry. */
  readonly reply: Reply | null;
}

/** Rejects with what the client is told. */
async function login(host: Host, name: string, password: string): Promise<Login> {
  await linearize(host);
  for (let attempt = 0; attempt < AUTHENTICATE_ATTEMPTS; attempt++) {
    const { auth } = host.machine;
    if (!auth.enabled) throw toError(API_ERRORS.authNotEnabled);
    const { revision } = auth;
    await judge(host, name, password);
    if (host.machine.auth.revision !== revision) continue;
    const granted = await grantToken(host, name, revision);
    if (granted !== null) return granted;
  }
  throw toError(API_ERRORS.authOldRevision);
}

async function judge(host: Host, name: string, password: string): Promise<void> {
  const user = host.machine.auth.users.get(name);
  if (user !== null && hasNoPassword(user)) {
    host.logger.warn({ user: name }, "a password was given for a user without one");
    throw toError(API_ERRORS.noPasswordUser);
  }
  const hash = user === null ? null : Buffer.from(user.password).toString("latin1");
  if (await host.logins.passwords.matches(password, hash)) return;
  host.logger.warn({ user: name }, "a wrong password was given");
  throw toError(API_ERRORS.authFailed);
}

/** Null if users or roles have changed since `revision`. */
async function grantToken(host: Host, user: string, revision: number): Promise<Login | null> {
  const { scheme } = host.logins;
  if (scheme.kind === "jwt") {
    if (!scheme.jwt.canSign) throw toError(API_ERRORS.verifyOnlyKey);
    return { token: scheme.jwt.sign({ user, revision }, Date.now()), reply: null };
  }
  const prefix = newTokenPrefix();
  const body = Buffer.from(encodeTokenGrant({ name: user, digest: digestOf(prefix) }));
  const origin = { user: "", authRevision: revision, own: true };
  const { authenticate: field } = CommandField;
  const reply = await proposeOwn(host, field, body, EntryKind.normal, origin);
  if (reply.kind === "authenticated") return { token: `${prefix}.${reply.index}`, reply };
  if (reply.kind !== "error" || reply.error === API_ERRORS.authOldRevision) return null;
  throw toError(reply.error);
}

/** The service's methods, by path. */
export const AUTH_HANDLERS: ReadonlyMap<string, Unary> = new Map<string, Unary>([
  [Auth.authEnable.path, authEnable],
  [Auth.authDisable.path, authDisable],
  [Auth.authStatus.path, authStatus],
  [Auth.authenticate.path, authenticate],
  [Auth.userAdd.path, userAdd],
  [Auth.userGet.path, userGet],
  [Auth.userList.path, userList],
  [Auth.userDelete.path, userDelete],
  [Auth.userChangePassword.path, userChangePassword],
  [Auth.userGrantRole.path, userGrantRole],
  [Auth.userRevokeRole.path, userRevokeRole],
  [Auth.roleAdd.path, roleAdd],
  [Auth.roleGet.path, roleGet],
  [Auth.roleList.path, roleList],
  [Auth.roleDelete.path, roleDelete],
  [Auth.roleGrantPermission.path, roleGrantPermission],
  [Auth.roleRevokePermission.path, roleRevokePermission],
]);
