/** What the services ask of the member they run in. */
import type { ApiError } from "../../src/api/catalogue.ts";
import type { HeaderFields, HeaderIds } from "../../src/api/hot.ts";
import type { Machine } from "../../src/machine/machine.ts";
import type { WatchStore } from "../../src/mvcc/watch-store.ts";
import type { RaftStatus } from "../../src/raft/status.ts";
import type { MemberId } from "../../src/raft/types.ts";
import type { Clock, Logger } from "../../src/base/ports.ts";
import type { Config } from "../config.ts";
import type { Identity } from "../data-dir.ts";
import type { LeaseKeeper } from "../lease-keeper.ts";
import type { Logins } from "../logins.ts";
import type { Loop } from "../loop.ts";
import type { MemberStats } from "../metrics/stats.ts";
import type { PeerCalls } from "../peer/calls.ts";
import type { Links } from "../peer/links.ts";
import type { RequestIds } from "../request-ids.ts";
import type { StoreSpace } from "../store-space.ts";
import type { ResponseBudget } from "./response-budget.ts";

export interface Host {
  readonly config: Config;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly headerIds: HeaderIds;
  readonly requestIds: RequestIds;
  readonly loop: Loop;
  /** Changes when a received state is adopted: ask at each use. */
  readonly machine: Machine;
  readonly watch: WatchStore;
  readonly leases: LeaseKeeper;
  readonly peers: PeerCalls;
  readonly links: Links;
  readonly responses: ResponseBudget;
  readonly space: StoreSpace;
  readonly stats: MemberStats;
  readonly logins: Logins;
  /** Header of a response at a revision, filled now. */
  header(revision: number): HeaderFields;
  raftStatus(): RaftStatus;
  isLeader(): boolean;
  isLearner(): boolean;
  leader(): MemberId;
  /** Bytes of the store's files and of what is not yet in them; never 0. */
  dbSize(): number;
  /** What forbids a write that grows the store by `bytes`; null if nothing does. Raises NOSPACE where the quota is reached. */
  growthRefusal(bytes: number): ApiError | null;
  /** Resolves true once `target` leads, false if it does not come to that in time. */
  transferLeadership(target: MemberId): Promise<boolean>;
  /** Why membership must not change now; null if it may. */
  reconfigurationRefusal(change: "addVoter" | "remove", id: MemberId): ApiError | null;
}
