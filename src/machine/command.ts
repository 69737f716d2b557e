/**
 * Log entries: one protobuf envelope (`quorate.Command`) around a client's request, whose bytes go in as they came.
 *
 * ```
 * 0x08 | request id, varint | on whose behalf | tag of the kind, varint | length, varint | request
 * ```
 * The request id comes first, so that its owner can be told without decoding the rest. On whose behalf is nothing for a
 * client while authentication is off; else user (field 2), revision of the auth store (3) and `own` (12), those not zero.
 */
import type { TxnRequest } from "../api/gen/kv.ts";
import { assert } from "../base/assert.ts";
import { Slabs } from "../base/slabs.ts";

/** Field numbers of `quorate.Command.kind`. For good: data directories hold them. */
export const CommandField = {
  put: 4,
  deleteRange: 5,
  txn: 6,
  compaction: 7,
  leaseGrant: 8,
  leaseRevoke: 9,
  alarm: 10,
  leaseCheckpoint: 11,
  memberAttributes: 16,
  membership: 17,
  clusterVersion: 18,
  downgrade: 19,
  authEnable: 32,
  authDisable: 33,
  authenticate: 35,
  authUserAdd: 36,
  authUserDelete: 39,
  authUserChangePassword: 40,
  authUserGrantRole: 41,
  authUserRevokeRole: 42,
  authRoleAdd: 43,
  authRoleDelete: 46,
  authRoleGrantPermission: 47,
  authRoleRevokePermission: 48,
} as const;
export type CommandField = (typeof CommandField)[keyof typeof CommandField];

/** On whose behalf an entry is proposed. */
export interface Origin {
  /** Empty if `own`. */
  readonly user: string;
  /** What the auth store was at when the user was identified. */
  readonly authRevision: number;
  /** The member's own: no permissions are looked at. */
  readonly own: boolean;
}

/** Of what the cluster asks of itself. */
export const OWN_ORIGIN: Origin = { user: "", authRevision: 0, own: true };

const REQUEST_ID_TAG = 0x08;
const USER_TAG = 0x12;
const AUTH_REVISION_TAG = 0x18;
const OWN_TAG = 0x60;
const LENGTH_DELIMITED = 2;
const HEAD_BYTES_MAX = 1 + 10 + 2 + 5;
/** Without the user's name. */
const ORIGIN_BYTES_MAX = 1 + 5 + 1 + 8 + 2;
const TWO_28 = 2 ** 28;
const TWO_20 = 2 ** 20;
/**
 * Entries are let go in the order in which they were made, slab by slab. Node's own pool mixes them with what lives longer, and
 * its pieces are small enough for malloc to leave holes of them.
 */
const slabs = new Slabs(128 * 1024);

/**
 * The entry of a request. `prefix` and `sequence` are the upper 16 and the lower 48 bits of its id; `body` is copied. A null
 * `origin` is a client of whom nobody asked who it is.
 */
export function encodeCommand(
  prefix: number,
  sequence: number,
  field: CommandField,
  body: Uint8Array,
  origin: Origin | null = null,
): Uint8Array {
  const originBytes = origin === null ? 0 : ORIGIN_BYTES_MAX + Buffer.byteLength(origin.user);
  const bytes = slabs.take(HEAD_BYTES_MAX + originBytes + body.length);
  bytes[0] = REQUEST_ID_TAG;
  let at = writeRequestId(bytes, prefix, sequence);
  if (origin !== null) at = writeOrigin(bytes, at, origin);
  at = writeVarint(bytes, at, field * 8 + LENGTH_DELIMITED);
  at = writeVarint(bytes, at, body.length);
  bytes.set(body, at);
  return bytes.subarray(0, at + body.length);
}

/** An id in two numbers. */
export interface RequestId {
  prefix: number;
  sequence: number;
}

/** Reads the id of an entry into `into`; zero where there is none. */
export function readRequestId(entry: Uint8Array, into: RequestId): void {
  into.prefix = 0;
  into.sequence = 0;
  if (entry[0] !== REQUEST_ID_TAG) return;
  let low = 0;
  let middle = 0;
  let high = 0;
  for (let group = 0; group < 10; group++) {
    const byte = entry[1 + group] ?? 0;
    const bits = byte & 0x7f;
    if (group < 4) low += bits * 2 ** (7 * group);
    else if (group < 8) middle += bits * 2 ** (7 * (group - 4));
    else high += bits * 2 ** (7 * (group - 8));
    if (byte < 0x80) break;
  }
  into.sequence = low + (middle % TWO_20) * TWO_28;
  into.prefix = Math.floor(middle / TWO_20) + high * 256;
}

function writeRequestId(bytes: Buffer, prefix: number, sequence: number): number {
  assert(prefix >= 0 && prefix < 0x1_0000, "the prefix of a request id has 16 bits");
  assert(sequence >= 0 && sequence < 2 ** 48, "the sequence of a request id has 48 bits");
  // Seven bits at a time of the 64: low 28, middle 28, high 8.
  const low = sequence % TWO_28;
  const middle = Math.floor(sequence / TWO_28) + (prefix % 256) * TWO_20;
  const high = Math.floor(prefix / 256);
  let at = 1;
  at = writeGroups(bytes, at, low, 4);
  at = writeGroups(bytes, at, middle, 4);
  bytes[at++] = (high & 0x7f) | 0x80;
  bytes[at++] = high >>> 7;
  return at;
}

function writeOrigin(bytes: Buffer, from: number, origin: Origin): number {
  let at = from;
  if (origin.user !== "") {
    bytes[at++] = USER_TAG;
    at = writeVarint(bytes, at, Buffer.byteLength(origin.user));
    at += bytes.write(origin.user, at, "utf8");
  }
  if (origin.authRevision > 0) {
    bytes[at++] = AUTH_REVISION_TAG;
    let rest = origin.authRevision; // may have more than 32 bits
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
    bytes[at++] = rest;
  }
  if (origin.own) {
    bytes[at++] = OWN_TAG;
    bytes[at++] = 1;
  }
  return at;
}

/** `groups` groups of seven bits, all marked as continued: an overlong varint is a valid one. */
function writeGroups(bytes: Buffer, from: number, value: number, groups: number): number {
  let rest = value;
  for (let at = from; at < from + groups; at++) {
    bytes[at] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  return from + groups;
}

function writeVarint(bytes: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** Whether any branch of the tree holds a put. */
export function holdsPut(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(({ request: op }) => {
    if (op?.kind === "requestPut") return true;
    return op?.kind === "requestTxn" && holdsPut(op.value);
  });
}
