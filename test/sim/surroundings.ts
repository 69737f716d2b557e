import type { MemberId } from "../../src/raft/types.ts";
import type { Judges } from "./checker/judges.ts";
import type { Schedule } from "./clock.ts";
import type { LogOperation } from "./log-twin.ts";
import type { Mutant } from "./mutants.ts";
import type { Network } from "./network.ts";
import type { Swarm } from "./swarm.ts";
import type { Trace } from "./trace.ts";

/** What surrounds the members of one run. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly judges: Judges;
  readonly trace: Trace;
  readonly swarm: Swarm;
  readonly mutant: Mutant | null;
  /** This member applied its own removal. */
  leftCluster(id: MemberId): void;
  /** Something happened to this member's log on its disk. */
  recordLog(id: MemberId, operation: LogOperation): void;
}
