/** All peer links of this member, kept to who is in the cluster. */
import type { Member } from "../../src/machine/members.ts";
import type { Message } from "../../src/raft/message.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Logger } from "../../src/base/ports.ts";
import type { Identity } from "../data-dir.ts";
import type { Handshake } from "../../src/api/gen/peer.ts";
import type { PeerConnector } from "./dialer.ts";
import { grpcJs } from "./grpc-js.ts";
import { makeHandshake } from "./handshake.ts";
import { Link, type LinkEvents } from "./link.ts";

export interface LinksEvents extends LinkEvents {
  /** The core offers its state to a peer: it goes over a stream of its own. */
  onSnapshot(message: Extract<Message, { kind: "snapshot" }>): void;
}

export class Links {
  readonly #self: Identity;
  readonly #connect: PeerConnector;
  readonly #events: LinksEvents;
  readonly #logger: Logger;
  readonly #farewellMs: number;
  readonly #links = new Map<MemberId, Link>();
  readonly #urls = new Map<MemberId, string>();
  /** Where this member is, as the membership says. */
  #ownUrls: readonly string[] = [];
  #voters: readonly MemberId[] = [];

  /** `farewellMs`: for how long a removed member's link stays open. */
  constructor(
    self: Identity,
    connect: PeerConnector,
    events: LinksEvents,
    logger: Logger,
    farewellMs: number,
  ) {
    this.#connect = connect;
    this.#farewellMs = farewellMs;
    this.#self = self;
    this.#events = events;
    this.#logger = logger;
  }

  /** Opens, moves and closes links so that each other member has one. */
  update(members: readonly Member[]): void {
    const present = new Set<MemberId>();
    this.#voters = members.filter(({ isLearner }) => !isLearner).map(({ id }) => id as MemberId);
    for (const member of members) {
      const id = member.id as MemberId;
      if (id === this.#self.memberId) {
        this.#ownUrls = member.peerUrls;
        continue;
      }
      present.add(id);
      const urls = member.peerUrls.join(",");
      const link = this.#links.get(id);
      if (link === undefined) {
        // Who has peers asks them something soon, and better not in the midst of its work.
        grpcJs();
        const greet = (): Handshake => makeHandshake(this.#self, id, "", this.#ownUrls);
        this.#links.set(
          id,
          new Link(greet, id, member.peerUrls, this.#connect, this.#events, this.#logger),
        );
      } else if (this.#urls.get(id) !== urls) {
        link.redirect(member.peerUrls);
      }
      this.#urls.set(id, urls);
    }
    for (const [id, link] of this.#links) {
      // Kept for a while: the news of its removal may be on its way, and nobody else tells it.
      if (!present.has(id)) link.retire(this.#farewellMs, () => this.#links.delete(id));
    }
  }

  /** A peer has said who it is, on a stream of its own, and where. */
  onHeard({ from, peerUrls }: Handshake): void {
    this.#links.get(from as MemberId)?.onHeard(peerUrls);
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === "snapshot") this.#events.onSnapshot(message);
      else this.#links.get(message.to)?.send(message);
    }
  }

  probe(): void {
    for (const link of this.#links.values()) link.probe();
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  /** Why peers refuse this member, where so many do that it can be in no quorum; else empty. */
  refusal(): string {
    const refusals = this.#voters.map((id) => this.#links.get(id)?.refusal ?? "");
    const willing = refusals.filter((refusal) => refusal === "").length;
    if (willing > this.#voters.length / 2) return "";
    return refusals.find((refusal) => refusal !== "") ?? "";
  }

  all(): readonly Link[] {
    return [...this.#links.values()];
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}
