/**
 * Encoders of the hot path, by hand: they take what is already encoded (a stored version, a received request, the ids of a
 * header) and copy it into place. Each writes exactly what the generated encoder of its message writes.
 *
 * All answer a view of the shared output buffer, valid until the next encode of anything.
 */
import { present } from "../base/assert.ts";
import { appendResponseHeader, responseHeader } from "./gen/header.ts";
import { MESSAGES } from "./gen/registry.ts";
import { openWriter, Writer } from "./wire.ts";

/** Field number * 8 + wire type. */
const HEADER_TAG = 1 * 8 + 2;

/** cluster_id and member_id of every response header of this process, encoded once. */
export class HeaderIds {
  readonly encoded: Uint8Array;

  constructor(clusterId: bigint, memberId: bigint) {
    const writer = new Writer();
    appendResponseHeader(writer, responseHeader({ clusterId, memberId }));
    this.encoded = Uint8Array.prototype.slice.call(writer.finish());
  }
}

/** Field `header` of any response. */
export function appendHeader(
  writer: Writer,
  ids: HeaderIds,
  revision: number,
  raftTerm: number,
): void {
  const before = writer.size;
  if (raftTerm !== 0) writer.int(32, raftTerm);
  if (revision !== 0) writer.int(24, revision);
  writer.raw(ids.encoded);
  writer.wrap(HEADER_TAG, before);
}

/** Field `header` of a response within a TxnResponse: nothing but the revision. */
export function appendNestedHeader(writer: Writer, revision: number): void {
  const before = writer.size;
  if (revision !== 0) writer.int(24, revision);
  writer.wrap(HEADER_TAG, before);
}

/** All fields of a RangeResponse but its header. `kvs` are encoded mvccpb.KeyValue. */
export function appendRangeBody(
  writer: Writer,
  kvs: readonly Uint8Array[],
  more: boolean,
  count: number,
): void {
  if (count !== 0) writer.int(32, count);
  if (more) writer.bool(24, true);
  for (let at = kvs.length - 1; at >= 0; at--) writer.bytes(18, kvs[at] as Uint8Array);
}

/** All fields of a PutResponse but its header. `previous` is an encoded mvccpb.KeyValue, null if there was none. */
export function appendPutBody(writer: Writer, previous: Uint8Array | null): void {
  if (previous !== null) writer.bytes(18, previous);
}

/** All fields of a DeleteRangeResponse but its header. */
export function appendDeleteRangeBody(
  writer: Writer,
  deleted: number,
  previous: readonly Uint8Array[],
): void {
  for (let at = previous.length - 1; at >= 0; at--) writer.bytes(26, previous[at] as Uint8Array);
  if (deleted !== 0) writer.int(16, deleted);
}

/** What a header says besides the ids. */
export interface HeaderFields {
  readonly ids: HeaderIds;
  readonly revision: number;
  readonly raftTerm: number;
}

/** RangeResponse. `kvs` are encoded mvccpb.KeyValue. */
export function encodeRangeResponseRaw(
  header: HeaderFields,
  kvs: readonly Uint8Array[],
  more: boolean,
  count: number,
): Uint8Array {
  const writer = openWriter();
  appendRangeBody(writer, kvs, more, count);
  appendHeader(writer, header.ids, header.revision, header.raftTerm);
  return writer.finish();
}

/** PutResponse. */
export function encodePutResponseRaw(
  header: HeaderFields,
  previous: Uint8Array | null,
): Uint8Array {
  const writer = openWriter();
  appendPutBody(writer, previous);
  appendHeader(writer, header.ids, header.revision, header.raftTerm);
  return writer.finish();
}

/** DeleteRangeResponse. */
export function encodeDeleteRangeResponseRaw(
  header: HeaderFields,
  deleted: number,
  previous: readonly Uint8Array[],
): Uint8Array {
  const writer = openWriter();
  appendDeleteRangeBody(writer, deleted, previous);
  appendHeader(writer, header.ids, header.revision, header.raftTerm);
  return writer.finish();
}

/** WatchResponse that carries events; `events` are encoded mvccpb.Event. */
export function encodeWatchEventsRaw(
  header: HeaderFields,
  watchId: number,
  events: readonly Uint8Array[],
  fragment: boolean,
): Uint8Array {
  const writer = openWriter();
  for (let at = events.length - 1; at >= 0; at--) writer.bytes(90, events[at] as Uint8Array);
  if (fragment) writer.bool(56, true);
  if (watchId !== 0) writer.int(16, watchId);
  appendHeader(writer, header.ids, header.revision, header.raftTerm);
  return writer.finish();
}

/** An mvccpb.Event of encoded versions: `type` is EventType. Fresh bytes, owned by the caller: an event is encoded once. */
export function encodeEventRaw(
  type: number,
  kv: Uint8Array,
  previous: Uint8Array | null,
): Uint8Array {
  const writer = openWriter();
  if (previous !== null) writer.bytes(26, previous);
  writer.bytes(18, kv);
  if (type !== 0) writer.int(8, type);
  return Uint8Array.prototype.slice.call(writer.finish());
}

/** Tags of Command.kind: which request a body is. Wire and disk values. */
export const COMMAND_TAGS: Readonly<Record<string, number>> = Object.fromEntries(
  present(MESSAGES["Command"], "the log's envelope is a message")
    .fields.filter(({ oneof }) => oneof === "kind")
    .map(({ property, number }) => [property, number * 8 + 2]),
);
export const PUT_TAG: number = 4 * 8 + 2;
export const DELETE_RANGE_TAG: number = 5 * 8 + 2;
export const TXN_TAG: number = 6 * 8 + 2;

/** Whose command it is; see Command. */
export interface CommandUser {
  readonly name: string;
  readonly authRevision: number;
}

/** Command, with the request as the client sent it: it is checked by then, and never encoded again. */
export function encodeCommandRaw(
  requestId: bigint,
  user: CommandUser | null,
  kindTag: number,
  body: Uint8Array,
): Uint8Array {
  const writer = openWriter();
  writer.bytes(kindTag, body);
  if (user !== null) {
    if (user.authRevision !== 0) writer.int(24, user.authRevision);
    if (user.name !== "") writer.string(18, user.name);
  }
  if (requestId !== 0n) writer.id(8, requestId);
  return writer.finish();
}
