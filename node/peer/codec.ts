/** Raft's messages on the wire, and back. Sender and receiver are those of the handshake: no message can claim another. */
import type { RaftMessage, RaftMessageKind } from "../../src/api/gen/peer.ts";
import type { Message } from "../../src/raft/message.ts";
import { EntryKind, makeEntry } from "../../src/raft/types.ts";
import type { Index, MemberId, Term } from "../../src/raft/types.ts";

export function toWire(message: Message): RaftMessage {
  return { term: message.term, kind: toWireKind(message) };
}

function toWireKind(message: Message): RaftMessageKind {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "heartbeatReply":
    case "readIndex":
    case "readIndexReply":
    case "propose":
    case "transfer":
    case "appendReply":
      // The fields are the wire's own; what the envelope adds is not looked at.
      return { kind: message.kind, value: message } as RaftMessageKind;
    case "vote":
    case "preVote":
      return { kind: message.kind, value: message };
    case "voteReply":
    case "preVoteReply":
      return { kind: message.kind, value: message };
    case "snapshot":
      return { kind: "snapshot", value: { mark: message.mark } };
    case "timeoutNow":
      return { kind: "timeoutNow", value: {} };
  }
}

/**
 * Null for a message that this release does not know: it is dropped, as if the network had lost it. Entries keep views of
 * the bytes that were decoded, which must be owned.
 */
export function fromWire(wire: RaftMessage, from: MemberId, to: MemberId): Message | null {
  const { kind } = wire;
  if (kind === null) return null;
  const envelope = { from, to, term: wire.term as Term };
  switch (kind.kind) {
    case "append":
      return {
        kind: "append",
        ...envelope,
        previousIndex: kind.value.previousIndex as Index,
        previousTerm: kind.value.previousTerm as Term,
        entries: kind.value.entries.map((entry) =>
          makeEntry(entry.term as Term, entry.index as Index, toKind(entry.kind), entry.data),
        ),
        commit: kind.value.commit as Index,
        quiet: kind.value.quiet,
      };
    case "propose":
      return {
        kind: "propose",
        ...envelope,
        entries: kind.value.entries.map((each) => ({ kind: toKind(each.kind), data: each.data })),
      };
    case "appendReply":
      return {
        kind: "appendReply",
        ...envelope,
        index: kind.value.index as Index,
        rejected: kind.value.rejected,
        hintIndex: kind.value.hintIndex as Index,
        hintTerm: kind.value.hintTerm as Term,
      };
    case "snapshot":
      return null; // comes with its state, over a stream of its own
    case "vote":
    case "preVote":
      return {
        kind: kind.kind,
        ...envelope,
        lastIndex: kind.value.lastIndex as Index,
        lastTerm: kind.value.lastTerm as Term,
        transfer: kind.value.transfer,
      };
    case "voteReply":
    case "preVoteReply":
      return { kind: kind.kind, ...envelope, rejected: kind.value.rejected };
    default:
      return fromWireSmall(kind, envelope);
  }
}

type Small = Exclude<
  RaftMessageKind["kind"],
  | "append"
  | "propose"
  | "appendReply"
  | "snapshot"
  | "vote"
  | "preVote"
  | "voteReply"
  | "preVoteReply"
>;

function fromWireSmall(
  kind: Extract<RaftMessageKind, { kind: Small }>,
  envelope: { readonly from: MemberId; readonly to: MemberId; readonly term: Term },
): Message {
  switch (kind.kind) {
    case "heartbeat":
      return {
        kind: "heartbeat",
        ...envelope,
        commit: kind.value.commit as Index,
        context: kind.value.context,
      };
    case "heartbeatReply":
      return { kind: "heartbeatReply", ...envelope, context: kind.value.context };
    case "readIndex":
      return { kind: "readIndex", ...envelope, request: kind.value.request };
    case "readIndexReply":
      return {
        kind: "readIndexReply",
        ...envelope,
        request: kind.value.request,
        index: kind.value.index as Index,
      };
    case "timeoutNow":
      return { kind: "timeoutNow", ...envelope };
    case "transfer":
      return { kind: "transfer", ...envelope, target: kind.value.target as MemberId };
  }
}

function toKind(kind: number): EntryKind {
  return kind === EntryKind.membership ? EntryKind.membership : EntryKind.normal;
}
