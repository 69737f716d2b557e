/**
 * Who may do what: the one place that looks at a whole request, every branch of every transaction within, what it compares,
 * what it would show of the past, and the keys that hang on the leases it names. It sees requests as they came, before
 * anything is made of them, and refuses what it does not know.
 *
 * Asked before a request is proposed or read, and again when its entry is applied.
 */
import type { Auth, AuthRefusal } from "../auth/auth.ts";
import { pointAt, toInterval, type Grants } from "../auth/permission.ts";
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import type { CommandKind } from "../api/gen/command.ts";
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../api/gen/kv.ts";
import { AlarmAction } from "../api/gen/maintenance.ts";
import { EMPTY } from "../base/bytes.ts";
import { NO_LEASE, type Lessor } from "../lease/lessor.ts";

/** Who asks, and what the auth store was at when that was found out. */
export interface Claim {
  /** Empty: nobody was named. */
  readonly user: string;
  readonly authRevision: number;
}

/** A request that names keys. */
export type KeyRequest =
  | { readonly kind: "range"; readonly value: RangeRequest }
  | { readonly kind: "put"; readonly value: PutRequest }
  | { readonly kind: "deleteRange"; readonly value: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly value: TxnRequest }
  /** A watch: `key` empty stands for the least one. */
  | { readonly kind: "watch"; readonly value: Pick<RangeRequest, "key" | "rangeEnd"> }
  /** To end or renew a lease is to decide over its keys. */
  | { readonly kind: "leaseWrite"; readonly id: bigint }
  /** To be shown a lease's keys is to read them. */
  | { readonly kind: "leaseRead"; readonly id: bigint };

const LEAST_KEY = Buffer.from([0]);

/** Only where authentication is enabled. */
export class Authoriser {
  readonly #auth: Auth;
  readonly #lessor: Lessor;

  constructor(auth: Auth, lessor: Lessor) {
    this.#auth = auth;
    this.#lessor = lessor;
  }

  /** What forbids a request that names keys; null if nothing does. */
  keys(claim: Claim, request: KeyRequest): ApiError | null {
    const error = this.anyUser(claim);
    if (error !== null) return error;
    const grants = this.#auth.grantsOf(claim.user);
    if (grants === null) return API_ERRORS.permissionDenied;
    return grants.root || this.#allows(grants, request) ? null : API_ERRORS.permissionDenied;
  }

  /** What forbids what only the role root may. */
  admin(claim: Claim): ApiError | null {
    return toApiError(this.#auth.adminRefusal(claim.user));
  }

  /** What forbids what every known user may. */
  anyUser(claim: Claim): ApiError | null {
    if (claim.user === "") return API_ERRORS.userEmpty;
    if (claim.authRevision < this.#auth.revision) return API_ERRORS.authOldRevision;
    return this.#auth.users.get(claim.user) === null ? API_ERRORS.permissionDenied : null;
  }

  /** What forbids an entry of a client's, now that it is applied. */
  entry(claim: Claim, kind: CommandKind): ApiError | null {
    switch (kind.kind) {
      case "put":
      case "deleteRange":
      case "txn":
        return this.keys(claim, kind);
      case "leaseRevoke":
        return this.keys(claim, { kind: "leaseWrite", id: kind.value.id });
      case "leaseGrant":
        return this.anyUser(claim);
      case "alarm":
        return kind.value.action === AlarmAction.get ? this.anyUser(claim) : this.admin(claim);
      default:
        return this.admin(claim);
    }
  }

  #allows(grants: Grants, request: KeyRequest): boolean {
    switch (request.kind) {
      case "range":
        return reads(grants, request.value);
      case "watch": {
        const { key, rangeEnd } = request.value;
        return reads(grants, { key: key.length === 0 ? LEAST_KEY : key, rangeEnd });
      }
      case "put":
        return this.#allowsPut(grants, request.value);
      case "deleteRange":
        return allowsDelete(grants, request.value);
      case "txn":
        return this.#allowsTxn(grants, request.value);
      case "leaseWrite":
        return this.#lessor.everyKey(request.id, (key) => grants.write.covers(pointAt(key)));
      case "leaseRead":
        return this.#lessor.everyKey(request.id, (key) => grants.read.covers(pointAt(key)));
    }
  }

  /**
   * To hang a key on a lease whose other keys one may not write would be a way to keep them from its owner. What is kept of
   * the value before, or shown of it, or asked to be there, is read.
   */
  #allowsPut(grants: Grants, request: PutRequest): boolean {
    const { key, lease, prevKv, ignoreValue, ignoreLease } = request;
    const point = { key, rangeEnd: EMPTY };
    if (!writes(grants, point)) return false;
    if ((prevKv || ignoreValue || ignoreLease) && !reads(grants, point)) return false;
    return lease === NO_LEASE || this.#allows(grants, { kind: "leaseWrite", id: lease });
  }

  #allowsTxn(grants: Grants, { compare, success, failure }: TxnRequest): boolean {
    return (
      compare.every((each) => reads(grants, each)) &&
      success.every((each) => this.#allowsOp(grants, each)) &&
      failure.every((each) => this.#allowsOp(grants, each))
    );
  }

  #allowsOp(grants: Grants, { request }: RequestOp): boolean {
    switch (request?.kind) {
      case "requestRange":
        return reads(grants, request.value);
      case "requestPut":
        return this.#allowsPut(grants, request.value);
      case "requestDeleteRange":
        return allowsDelete(grants, request.value);
      case "requestTxn":
        return this.#allowsTxn(grants, request.value);
      default:
        return true; // names nothing, and is refused by validation
    }
  }
}

export function toApiError(refusal: AuthRefusal | null): ApiError | null {
  return refusal === null ? null : API_ERRORS[refusal];
}

type KeyRange = Pick<Compare, "key" | "rangeEnd">;

function reads(grants: Grants, { key, rangeEnd }: KeyRange): boolean {
  return grants.read.covers(toInterval(key, rangeEnd));
}

function writes(grants: Grants, { key, rangeEnd }: KeyRange): boolean {
  return grants.write.covers(toInterval(key, rangeEnd));
}

function allowsDelete(grants: Grants, request: DeleteRangeRequest): boolean {
  return writes(grants, request) && (!request.prevKv || reads(grants, request));
}
