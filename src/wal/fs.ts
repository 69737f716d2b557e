/**
 * What the log asks of a disk. `node/storage.ts` answers with a thread that writes to descriptors opened O_DSYNC,
 * `test/sim/disk.ts` with memory that forgets at a crash what was never written.
 */

/** One preallocated file of the log, open for writing. */
export interface LogDevice {
  /** Names of the segment files present, sorted. */
  list(): readonly string[];
  /** Whole content, for recovery and for entries no longer in memory. Synchronous: start-up and rare reads only. */
  read(name: string, offset: number, length: number): Uint8Array;
  sizeOf(name: string): number;
  /**
   * Makes `name` a file of `size` zero bytes, durable with its directory entry; reuses `recycled` (by rename, without
   * zeroing) when given. Completes off the loop.
   */
  create(name: string, size: number, recycled: string | null): Promise<void>;
  remove(name: string): void;
  /**
   * Writes durably at an offset of a created file. One write in flight; `bytes` is borrowed until the promise settles. A rejection is
   * final: the caller ends the process.
   */
  write(name: string, offset: number, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
