/** Who makes a call: by a token, else by a client certificate, while authentication is on. */
import { API_ERRORS, type ApiError } from "../../src/api/catalogue.ts";
import { parseToken } from "../../src/auth/token.ts";
import type { User } from "../../src/auth/users.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import type { Origin } from "../../src/machine/command.ts";
import type { Host } from "./host.ts";

/** A user who was recognised. */
export interface Principal extends Origin {
  readonly own: false;
  /** The password's hash at that time, which a token stands for; null: known by certificate. */
  readonly credential: Uint8Array | null;
}

export type Identification =
  | { readonly kind: "known"; readonly who: Principal }
  | { readonly kind: "refused"; readonly error: ApiError };

const NOBODY: Identification = { kind: "refused", error: API_ERRORS.userEmpty };
const INVALID: Identification = { kind: "refused", error: API_ERRORS.invalidAuthToken };
const OLD: Identification = { kind: "refused", error: API_ERRORS.authOldRevision };

const BEARER = "Bearer ";

/** Only where authentication is on. A token that is wrong is not made good by a certificate. */
export function identify(host: Host, call: ServerCall): Identification {
  const token = tokenOf(call);
  if (token === null) return identifyByCertificate(host, call);
  const { auth } = host.machine;
  const { scheme } = host.logins;
  if (scheme.kind === "simple") {
    const parts = parseToken(token);
    if (parts === null) return INVALID;
    const user = auth.tokens.use(parts, host.clock.now(), scheme.ttlMs);
    return user === null ? INVALID : known(host, user, auth.users.get(user));
  }
  const claims = scheme.jwt.verify(token, Date.now());
  if (claims === null) return INVALID;
  if (claims.revision !== auth.revision) return OLD;
  return known(host, claims.user, auth.users.get(claims.user));
}

/** Of a stream that was opened while authentication was off; null where its call names nobody. */
export function identityOf(host: Host, call: ServerCall): Principal | null {
  const found = identify(host, call);
  return found.kind === "known" ? found.who : null;
}

/** Whether the call's token is of a time that this member has not reached yet, and may after a linearizable read. */
export function isAheadOfUs(host: Host, call: ServerCall): boolean {
  const token = tokenOf(call);
  if (token === null) return false;
  const { scheme } = host.logins;
  if (scheme.kind === "simple") return (parseToken(token)?.index ?? 0) > host.machine.appliedIndex;
  const claims = scheme.jwt.verify(token, Date.now());
  return claims !== null && claims.revision > host.machine.auth.revision;
}

/**
 * What has happened since `who` was let in that takes everything from them: authentication was enabled, the user deleted,
 * the password changed. Null: nothing, and it is for the permissions to say.
 */
export function lostIdentity(host: Host, who: Principal | null): ApiError | null {
  const { auth } = host.machine;
  if (!auth.enabled) return null;
  if (who === null) return API_ERRORS.userEmpty;
  const user = auth.users.get(who.user);
  if (who.credential === null) return user === null ? API_ERRORS.permissionDenied : null;
  const same = user !== null && Buffer.compare(user.password, who.credential) === 0;
  return same ? null : API_ERRORS.invalidAuthToken;
}

/** What forbids to answer a question now that was allowed when it was asked; null if users and roles are what they were. */
export function outdated(host: Host, who: Principal | null): ApiError | null {
  const { auth } = host.machine;
  if (!auth.enabled) return null;
  if (who === null) return API_ERRORS.userEmpty;
  return who.authRevision === auth.revision ? null : API_ERRORS.authOldRevision;
}

/** As they would be recognised now. */
export function renewed(host: Host, who: Principal): Principal {
  return { ...who, authRevision: host.machine.auth.revision };
}

function tokenOf(call: ServerCall): string | null {
  const token = call.header("token") ?? call.header("authorization");
  if (token === undefined) return null;
  return token.startsWith(BEARER) ? token.slice(BEARER.length) : token;
}

/**
 * A request of the JSON gateway has no identity by certificate, as in etcd: there the gateway is a client of its own, whose
 * certificate names nobody.
 */
function identifyByCertificate(host: Host, call: ServerCall): Identification {
  if (!host.config.clientCertAuth || call.header("grpcgateway-accept") !== undefined) return NOBODY;
  const name = call.certificate?.subject.CN;
  if (typeof name !== "string" || name === "") return NOBODY;
  return known(host, name, null);
}

function known(host: Host, user: string, record: User | null): Identification {
  const authRevision = host.machine.auth.revision;
  const credential = record?.password ?? null;
  return { kind: "known", who: { user, authRevision, own: false, credential } };
}
