/** What a member counts as it works: plain numbers and histograms by hand, which the scrape reads. */
import { exponentialBounds, HandHistogram } from "../histogram.ts";
import { ApplyStats } from "./apply-stats.ts";
import { HealthStats } from "./health-stats.ts";
import { RangeStats } from "./range-stats.ts";
import { TransferStats } from "./transfer-stats.ts";

/** Seconds, as etcd has them for the disk. */
const DISK_SECONDS = exponentialBounds(0.001, 2, 14);
/** Seconds of what happens once a turn or a batch. */
const BATCH_SECONDS = exponentialBounds(0.0001, 2, 16);
const BATCH_BYTES = exponentialBounds(4096, 2, 12);
const BATCH_PROPOSALS = exponentialBounds(1, 2, 14);

export class MemberStats {
  /** Durable writes of the log, seconds and bytes. */
  readonly logWrites: HandHistogram = new HandHistogram(DISK_SECONDS);
  readonly logBatchBytes: HandHistogram = new HandHistogram(BATCH_BYTES);
  /** Batches that the store took, and flushes that made them survive power loss. */
  readonly storeCommits: HandHistogram = new HandHistogram(DISK_SECONDS);
  readonly storeFlushes: HandHistogram = new HandHistogram(DISK_SECONDS);
  readonly defragmentations: HandHistogram = new HandHistogram(exponentialBounds(0.1, 2, 13));
  /** Compactions of the whole store that are under way. */
  defragmenting = 0;
  /** How late the heartbeat's timer came. */
  readonly loopDelay: HandHistogram = new HandHistogram(DISK_SECONDS);
  /** From handing the proposals of a turn to Raft until they are committed here. */
  readonly commits: HandHistogram = new HandHistogram(BATCH_SECONDS);
  /** From asking for a read index until a quorum has confirmed it. */
  readonly readIndexes: HandHistogram = new HandHistogram(BATCH_SECONDS);
  /** Proposals handed to Raft together. */
  readonly proposalsATurn: HandHistogram = new HandHistogram(BATCH_PROPOSALS);
  /** The database read for somebody: Maintenance.Snapshot, or a peer that needs the state. */
  readonly snapshots: HandHistogram = new HandHistogram(exponentialBounds(0.01, 2, 17));
  /** Hashes of everything, and by revision. */
  readonly hashes: HandHistogram = new HandHistogram(exponentialBounds(0.01, 2, 15));
  readonly revisionHashes: HandHistogram = new HandHistogram(exponentialBounds(0.01, 2, 15));
  readonly applies: ApplyStats = new ApplyStats();
  readonly ranges: RangeStats = new RangeStats();
  readonly health: HealthStats = new HealthStats();
  /** States that went to peers, and that came from them. */
  readonly sent: TransferStats = new TransferStats();
  readonly received: TransferStats = new TransferStats();
  /** Applies beyond --warning-apply-duration, reads of ranges included. */
  slowApplies = 0;
  /** Heartbeats to peers that the leader's timer sent more than one interval late. */
  lateHeartbeats = 0;
  learnerPromotions = 0;
  /** By reason. */
  readonly learnerRefusals: Map<string, number> = new Map();
}
