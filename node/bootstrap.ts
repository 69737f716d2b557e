/** How a member comes to be: as one of a new cluster, or by joining one that runs. Afterwards its data directory knows. */
import { storedMember } from "../src/api/gen/command.ts";
import type { DescribeResponse } from "../src/api/gen/peer.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { Logger } from "../src/base/ports.ts";
import type { Member } from "../src/machine/members.ts";
import type { MemberId } from "../src/raft/types.ts";
import type { Config } from "./config.ts";
import type { Identity } from "./data-dir.ts";
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

/** Finds itself, by its peer URLs, among the members that the running cluster names. */
export async function bootstrapExisting(
  config: Config,
  dial: PeerDialer,
  logger: Logger,
): Promise<Birth> {
  const own = new Set(config.initialCluster.get(config.name) ?? config.advertisePeerUrls);
  const others = [...config.initialCluster.values()].flat().filter((url) => !own.has(url));
  if (others.length === 0) {
    throw new QuorateError(
      "configuration",
      "--initial-cluster-state=existing needs the other members in --initial-cluster: add them",
    );
  }
  for (let attempt = 1; attempt <= JOIN_ATTEMPTS; attempt++) {
    for (const url of others) {
      const described = await describePeer(dial, url, ASK_DEADLINE_MS).catch((error: unknown) => {
        logger.warn(
          { url, reason: QuorateError.from(error).message },
          "a member does not answer yet",
        );
        return null;
      });
      if (described === null) continue;
      const birth = findSelf(described, own);
      if (birth !== null) return birth;
      logger.warn({ url }, "the cluster does not name this member's peer URLs yet");
    }
    await new Promise((resolve) => setTimeout(resolve, JOIN_RETRY_MS));
  }
  throw new QuorateError(
    "configuration",
    `no member of the cluster names ${[...own].join(",")}: run 'member add' with these peer URLs first`,
  );
}

function findSelf(described: DescribeResponse, own: ReadonlySet<string>): Birth | null {
  const self = described.members.find((member) => member.peerUrls.some((url) => own.has(url)));
  if (self === undefined) return null;
  return {
    identity: {
      clusterId: described.clusterId,
      memberId: self.id as MemberId,
      incarnation: described.incarnation,
    },
    members: null,
    peers: described.members.map(({ id, peerUrls }) => storedMember({ id, peerUrls })),
  };
}
