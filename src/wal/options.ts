/** What a log is opened with, and what opening it found. */
import type { QuorateError } from "../base/errors.ts";
import type { Clock, Logger, Random } from "../base/ports.ts";
import type { HardState, Index } from "../raft/types.ts";
import type { LogDevice } from "./fs.ts";

export interface WalOptions {
  readonly device: LogDevice;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Draws the log's salt when it is born. */
  readonly random: Random;
  /** Who writes: repeated at the start of each segment and compared when the log is opened. */
  readonly metadata: Uint8Array;
  /** Size of a segment, a multiple of 4096; the very first one is smaller. Default 64 MiB. */
  readonly segmentBytes?: number;
  /**
   * True: no room for another segment. What is left of the current one still takes writes, so stop what grows the data
   * and let through what shrinks it. False: there is room again.
   */
  readonly onFull?: (full: boolean) => void;
  /** The disk failed. Nothing queued will become durable; the caller ends the process. */
  readonly onFailure: (error: QuorateError) => void;
  /** After each durable batch: how long the write took and how many bytes it had. */
  readonly onWrite?: (seconds: number, bytes: number) => void;
}

export interface WalRecovery {
  readonly hardState: HardState;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Bytes cut from a torn tail, 0 if none. */
  readonly tornBytes: number;
  /** There was no log here before. */
  readonly fresh: boolean;
}
