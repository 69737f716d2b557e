/** Leadership is handed over before its holder goes, so that nobody waits for an election. */
import type { Host } from "./rpc/host.ts";
import type { MemberId } from "../src/raft/types.ts";

type HandoverHost = Pick<
  Host,
  "identity" | "logger" | "isLearner" | "leader" | "raftStatus" | "transferLeadership"
>;

/** If this member leads: to the voter that has most of its log, of those it heard from lately. */
export async function handOver(host: HandoverHost): Promise<void> {
  const status = host.raftStatus();
  if (status.role !== "leader") return;
  const voters = status.progress.filter((peer) => !peer.isLearner && peer.recentlyActive);
  const [best] = voters.toSorted((a, b) => b.match - a.match);
  if (best === undefined) return;
  const moved = await host.transferLeadership(best.id);
  host.logger.info({ to: best.id, moved }, "handed leadership over");
}

/** `id` is about to be removed: if it leads, another does from now on. Where that fails, its removal must do without. */
export async function yieldLead(host: HandoverHost, id: MemberId): Promise<void> {
  const self = host.identity.memberId;
  if (host.leader() !== id) return;
  if (id === self) await handOver(host);
  else if (!host.isLearner()) await host.transferLeadership(self);
}
