/** How a ticket makes a member out of an empty disk. */
import type { BootTicket } from "../../src/api/boot.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { type Birth, bootstrapNew, findPlace } from "../bootstrap.ts";
import type { Config } from "../config.ts";
import { parseInitialCluster } from "../initial-cluster.ts";
import type { PeerDialer } from "../peer/dialer.ts";
import type { BootDecision } from "./decide.ts";

export type TicketBirth =
  | { readonly kind: "born"; readonly birth: Birth }
  /** Not yet: the world may change. `refused`: what is there contradicts the ticket; else it is only not there yet. */
  | { readonly kind: "waiting"; readonly refused: boolean; readonly reason: string };

/** Tries once. */
export async function birthOf(
  decision: Extract<BootDecision, { kind: "bootstrap" | "join" }>,
  config: Config,
  dial: PeerDialer,
): Promise<TicketBirth> {
  const { ticket } = decision;
  const named = parseInitialCluster("the ticket's initialCluster", ticket.initialCluster);
  const own = named.get(config.name) ?? config.advertisePeerUrls;
  const others = [...named.values()].flat().filter((url) => !own.includes(url));
  return decision.kind === "bootstrap"
    ? await seed(ticket, config, dial, { own: named.get(config.name) ?? null, others })
    : await join(ticket, dial, { own, others, memberId: decision.memberId });
}

/** A cluster of one. Its ids come from the nonce, so that no two tickets make the same cluster. */
async function seed(
  ticket: BootTicket,
  config: Config,
  dial: PeerDialer,
  urls: { readonly own: readonly string[] | null; readonly others: readonly string[] },
): Promise<TicketBirth> {
  if (urls.own === null) {
    return refused(`the ticket's initialCluster does not name this member, ${config.name}`);
  }
  const found = await findPlace(
    { urls: urls.others, own: new Set(urls.own), clusterId: null },
    dial,
  );
  if (found.kind === "found" || found.answered) {
    return refused("the ticket would begin a cluster, but one answers at its initialCluster");
  }
  try {
    const birth = bootstrapNew({
      ...config,
      initialCluster: new Map([[config.name, urls.own]]),
      initialClusterToken: `${config.initialClusterToken}#${ticket.nonce}`,
    });
    return born(ticket, birth);
  } catch (error) {
    return refused(QuorateError.from(error).message);
  }
}

/** The place that the running cluster has named. Who has taken it once, and lost its disk, may have voted there. */
async function join(
  ticket: BootTicket,
  dial: PeerDialer,
  urls: {
    readonly own: readonly string[];
    readonly others: readonly string[];
    readonly memberId: string | null;
  },
): Promise<TicketBirth> {
  if (urls.others.length === 0) return refused("the ticket's initialCluster names no other member");
  const wanted = ticket.clusterId === null ? null : BigInt(`0x${ticket.clusterId}`);
  const place = await findPlace(
    { urls: urls.others, own: new Set(urls.own), clusterId: wanted },
    dial,
  );
  if (place.kind === "missing") return { kind: "waiting", refused: false, reason: place.reason };
  if (place.started) {
    const id = place.birth.identity.memberId.toString(16);
    return refused(
      `member ${id} has started before, but its disk is empty: remove it, add another`,
    );
  }
  const { memberId } = place.birth.identity;
  if (urls.memberId !== null && BigInt(`0x${urls.memberId}`) !== memberId) {
    const reason = `the cluster names member ${memberId.toString(16)} at these URLs, not ${urls.memberId}`;
    return { kind: "waiting", refused: false, reason };
  }
  return born(ticket, place.birth);
}

function born(ticket: BootTicket, birth: Birth): TicketBirth {
  const { nonce: usedNonce, incarnation: fenceIncarnation } = ticket;
  const identity = { ...birth.identity, usedNonce, fenceIncarnation };
  return { kind: "born", birth: { ...birth, identity } };
}

function refused(reason: string): TicketBirth {
  return { kind: "waiting", refused: true, reason };
}
