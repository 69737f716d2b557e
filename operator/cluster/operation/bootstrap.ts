/**
 * A cluster begins: the seed gets the one ticket that lets an empty disk found a cluster, and it is taken back before anyone is
 * added. Claims that were there before may hold data: then nothing is founded, the members that run are taken over.
 */
import type { BootFile } from "../../../src/api/boot.ts";
import { type Action, stalled, wait } from "../action.ts";
import type { BootstrapOperation, Journal } from "../journal.ts";
import { withBootFile } from "../journal.ts";
import { begin, finish, proceed, revoked } from "../step.ts";
import { type Place, type View, bootFileOf, initialCluster, placeOf } from "../view.ts";
import { podName } from "../names.ts";
import { describePod } from "./describe.ts";
import { firstRestore } from "./restore.ts";

export function planBootstrap(view: View, operation: BootstrapOperation): Action {
  const seed = placeOf(view, podName(view.facts.cluster.metadata.name, 0));
  if (seed === null || seed.pod === null)
    return wait("AwaitPods", "the StatefulSet has not made the seed's pod yet");
  if (operation.nonce !== null) return planSeed(view, operation, seed);
  const prior = view.places.filter(
    ({ claim }) => claim !== null && operation.priorClaims.includes(claim.metadata.uid ?? ""),
  );
  const holding = prior.filter(({ boot }) => boot !== null && boot.memberId !== null);
  if (holding.length > 0) return planTakeOver(view, holding);
  const silent = prior.find(({ boot }) => boot === null || boot.phase !== "AwaitingTicket");
  if (silent !== undefined) {
    const claim = silent.claim?.metadata.name ?? "";
    return wait(
      "AwaitPriorClaims",
      `the claim ${claim} was there before the cluster; whether it holds data is not known yet: ${describePod(view, silent)}`,
    );
  }
  if (seed.boot?.phase !== "AwaitingTicket")
    return wait(
      "AwaitSeed",
      `${seed.name} does not wait for its ticket yet: ${describePod(view, seed)}`,
    );
  const { bootstrap } = view.facts.cluster.spec;
  if (bootstrap === undefined) return issueSeedTicket(view, operation, seed);
  // The disks that were there are all empty: what the cluster was to begin with is still to come.
  const { size } = view.journal;
  const start = firstRestore(bootstrap.restoreFrom, view.facts.entropy, size);
  return begin(view, start, { size: 0 });
}

function issueSeedTicket(view: View, operation: BootstrapOperation, seed: Place): Action {
  const nonce = view.facts.entropy;
  const { incarnation } = view.journal;
  const ticket = {
    mode: "bootstrap",
    nonce,
    incarnation,
    clusterId: null,
    initialCluster: initialCluster(view.places),
  } as const;
  const boot = withBootFile(view.journal, seed.name, { ticket, fence: null });
  return proceed(view, operation, { step: "StartSeed", nonce }, { boot });
}

function planSeed(view: View, operation: BootstrapOperation, seed: Place): Action {
  const { boot } = seed;
  const { ticket } = bootFileOf(view, seed.name);
  if (boot?.phase === "AwaitingTicket" && ticket === null) {
    return stalled(
      "SeedLost",
      `${seed.name} founded the cluster and then lost its disk, before it had any other member: what was written is gone. ` +
        "Delete the cluster and make it again",
    );
  }
  if (boot === null || boot.memberId === null || boot.clusterId === null)
    return wait("AwaitSeed", `${seed.name} has not begun: ${describePod(view, seed)}`);
  if (ticket !== null || view.journal.clusterId === null) {
    const { incarnation } = view.journal;
    const { clusterId, memberId } = boot;
    const file: BootFile = { ticket: null, fence: { incarnation, clusterId, memberId } };
    const taken = { clusterId, boot: withBootFile(view.journal, seed.name, file) };
    return proceed(view, operation, { step: "AwaitSeed" }, taken);
  }
  if (!seed.participates)
    return wait("AwaitSeed", `${seed.name} does not answer reads yet: ${describePod(view, seed)}`);
  return finish(view, "Done", `${seed.name} founded cluster ${view.journal.clusterId}`);
}

/** Rebuilds the journal from members that run: a quorum of them has to answer. */
function planTakeOver(view: View, holding: readonly Place[]): Action {
  const names = holding.map(({ name }) => name).join(", ");
  if (view.memberList === null || view.memberList.length === 0) {
    return stalled(
      "AwaitQuorum",
      `there are data of an earlier cluster at ${names}, and no quorum of its members answers. Wait for the pods, or let a ` +
        "QuorateTask recoverQuorum name the survivor",
    );
  }
  const rebuilt = rebuildFromMembers(view);
  if (rebuilt === null)
    return stalled(
      "MixedClusters",
      `the disks of ${names} belong to different clusters: delete the claims that are not wanted`,
    );
  return finish(view, "Done", `took over the running members ${names}`, rebuilt);
}

/** What the members themselves know of the journal; null where they disagree. */
function rebuildFromMembers(view: View): Partial<Journal> | null {
  const members = view.places.filter(({ member, boot }) => member !== null && boot !== null);
  const clusters = new Set(members.flatMap(({ boot }) => boot?.clusterId ?? []));
  const [clusterId] = clusters;
  if (clusters.size !== 1 || clusterId === undefined) return null;
  const incarnations = members.map(({ boot }) => boot?.incarnation ?? 1);
  const incarnation = Math.max(1, ...incarnations);
  const boot: Record<string, BootFile> = { ...revoked(view, "") };
  for (const { name, member } of view.places) {
    if (member === null) continue;
    boot[name] = { ticket: null, fence: { incarnation, clusterId, memberId: member.id } };
  }
  return { clusterId, incarnation, boot };
}
