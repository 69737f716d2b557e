/** How a member comes to be: as one of a new cluster, or by joining one that runs. Afterwards its data directory knows. */
import { storedMember } from "../src/api/gen/command.ts";
import type { DescribeResponse } from "../src/api/gen/peer.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/ports.ts";
import { withoutScheme } from "../src/base/urls.ts";
import type { Member } from "../src/machine/members.ts";
import type { MemberId } from "../src/raft/types.ts";
import type { Config } from "./config.ts";
import { type Identity, NO_FENCE } from "./data-dir.ts";
import { clusterId, memberId } from "./ids.ts";
import { describePeer } from "./peer/calls.ts";
import type { PeerDialer } from "./peer/dialer.ts";

/** What a first start decided. */
export interface Birth {
  readonly identity: Identity;
  /** All members of a new cluster; null for a member that joins: it gets them with the state. */
  readonly members: readonly Member[] | null;
  /** Whom a member that joins talks to until it has them from the state; none for a new cluster. */
  readonly peers: readonly Member[];
}

const ASK_DEADLINE_MS = 2_000;
const JOIN_ATTEMPTS = 30;
const JOIN_RETRY_MS = 1_000;
/** Of a cluster that was never restored from a backup. */
const FIRST_INCARNATION = 1n;

export async function bootstrap(config: Config, dial: PeerDialer, logger: Logger): Promise<Birth> {
  return config.initialClusterState === "new"
    ? bootstrapNew(config)
    : await bootstrapExisting(config, dial, logger);
}

/**
 * Every member of a new cluster comes to the same answer from the same flags. Another incarnation than the first is for a
 * cluster with the state of another one: its ids differ from what the flags alone would give.
 */
export function bootstrapNew(config: Config, incarnation: bigint = FIRST_INCARNATION): Birth {
  const own = config.initialCluster.get(config.name);
  if (own === undefined) {
    throw new QuorateError(
      "configuration",
      `--initial-cluster does not name this member: add ${config.name}=${config.advertisePeerUrls[0] ?? "http://…"} or change --name`,
    );
  }
  checkAdvertised(config, own);
  const token =
    incarnation === FIRST_INCARNATION
      ? config.initialClusterToken
      : `${config.initialClusterToken}#${incarnation.toString(16)}`;
  // A member tells its client URLs itself, once it has started.
  const members = Array.from(config.initialCluster, ([name, peerUrls]) =>
    storedMember({ id: memberId(peerUrls, token, null), name, peerUrls }),
  );
  const ids = members.map((member) => member.id as MemberId);
  return {
    identity: {
      clusterId: clusterId(ids),
      memberId: memberId(own, token, null),
      incarnation,
      ...NO_FENCE,
    },
    members,
    peers: [],
  };
}

function checkAdvertised(config: Config, own: readonly string[]): void {
  const wanted = own.toSorted().join(",");
  const advertised = config.advertisePeerUrls.toSorted().join(",");
  if (wanted === advertised) return;
  throw new QuorateError(
    "configuration",
    `--initial-cluster has ${config.name}=${wanted}, but --initial-advertise-peer-urls is ${advertised}: make them equal`,
  );
}

/** What the cluster that a member is to join says of it. */
export type Place =
  | { readonly kind: "found"; readonly birth: Birth; readonly started: boolean }
  /** Nobody answers yet, or nobody names this member (`answered`); `reason` says so of each that was asked. */
  | { readonly kind: "missing"; readonly answered: boolean; readonly reason: string };

/** Finds itself, by its peer URLs, among the members that the running cluster names. */
export async function bootstrapExisting(
  config: Config,
  dial: PeerDialer,
  logger: Logger,
): Promise<Birth> {
  const { own, others } = splitCluster(config);
  if (others.length === 0) {
    throw new QuorateError(
      "configuration",
      "--initial-cluster-state=existing needs the other members in --initial-cluster: add them",
    );
  }
  return await awaitPlace({ urls: others, own, clusterId: null }, JOIN_ATTEMPTS, dial, logger);
}

/**
 * For a member that has joined and was stopped before it had the state: whom it gets it from. `known`: where the others were
 * when it joined. Under an operator it waits for as long as it takes.
 */
export async function findPeers(
  config: Config,
  known: readonly string[],
  { clusterId: wanted }: Identity,
  { dial, logger }: { readonly dial: PeerDialer; readonly logger: Logger },
): Promise<readonly Member[]> {
  const { own, others } = splitCluster(config);
  const search = { urls: [...new Set([...others, ...known])], own, clusterId: wanted };
  const attempts = config.bootDir === null ? JOIN_ATTEMPTS : Number.POSITIVE_INFINITY;
  return (await awaitPlace(search, attempts, dial, logger)).peers;
}

interface Search {
  /** Whom to ask. */
  readonly urls: readonly string[];
  /** Peer URLs of this member. */
  readonly own: ReadonlySet<string>;
  /** The answer of another cluster does not count; null: any does. */
  readonly clusterId: bigint | null;
}

function splitCluster(config: Config): {
  readonly own: ReadonlySet<string>;
  readonly others: readonly string[];
} {
  const own = new Set(config.initialCluster.get(config.name) ?? config.advertisePeerUrls);
  const others = [...config.initialCluster.values()].flat().filter((url) => !own.has(url));
  return { own, others };
}

async function awaitPlace(
  search: Search,
  attempts: number,
  dial: PeerDialer,
  logger: Logger,
): Promise<Birth> {
  let told = "";
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const place = await findPlace(search, dial);
    if (place.kind === "found") return place.birth;
    if (place.reason !== told) logger.warn({ reason: place.reason }, "no place in a cluster yet");
    told = place.reason;
    await new Promise((resolve) => setTimeout(resolve, JOIN_RETRY_MS));
  }
  throw new QuorateError(
    "configuration",
    `no member of the cluster names ${[...search.own].join(",")}: run 'member add' with these peer URLs first`,
  );
}

/** Asks each in turn, once. */
export async function findPlace(
  { urls, own, clusterId: wanted }: Search,
  dial: PeerDialer,
): Promise<Place> {
  const reasons: string[] = [];
  // A member that waits for its place may be told another scheme meanwhile: the cluster moves to TLS, or back.
  const here = new Set(Array.from(own, withoutScheme));
  let answered = false;
  for (const url of urls) {
    let described: DescribeResponse;
    try {
      described = await describePeer(dial, url, ASK_DEADLINE_MS);
    } catch (error) {
      reasons.push(`${url} does not answer (${QuorateError.from(error).message})`);
      continue;
    }
    answered = true;
    if (wanted !== null && described.clusterId !== wanted) {
      reasons.push(`${url} is of cluster ${described.clusterId.toString(16)}`);
      continue;
    }
    const self = described.members.find((each) =>
      each.peerUrls.some((one) => here.has(withoutScheme(one))),
    );
    // Who has started once has told its name.
    if (self !== undefined) {
      return { kind: "found", birth: joinAs(self.id, described), started: self.name !== "" };
    }
    reasons.push(`${url} does not name the peer URLs of this member`);
  }
  return { kind: "missing", answered, reason: reasons.join("; ") };
}

function joinAs(id: bigint, described: DescribeResponse): Birth {
  return {
    identity: {
      clusterId: described.clusterId,
      memberId: id as MemberId,
      incarnation: described.incarnation,
      ...NO_FENCE,
    },
    members: null,
    peers: described.members.map((each) => storedMember({ id: each.id, peerUrls: each.peerUrls })),
  };
}
