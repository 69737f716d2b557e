/**
 * What the log asks of a disk. `node/storage.ts` answers with a thread that writes to descriptors opened O_DSYNC,
 * `test/sim/log-device.ts` with memory that forgets at a crash what was never written.
 */

/** A directory of files of fixed size, each open for writing. Names are the caller's. */
export interface LogDevice {
  /** Names of the files present, sorted. What a crash left half made is not among them. */
  list(): readonly string[];
  /**
   * A fresh copy of these bytes. Synchronous: start-up and entries no longer in memory only. Throws
   * `QuorateError("storage")` if the file has fewer.
   */
  read(name: string, offset: number, length: number): Uint8Array;
  sizeOf(name: string): number;
  /**
   * Makes `name` a file of `size` zero bytes, durable with its directory entry; given `recycled`, renames that file
   * of the same size instead and keeps its bytes. After a crash in between, either none or all of it happened.
   * Completes off the loop. Rejects with "resourceExhausted" if there is no room, and the log goes on; with
   * "storage" otherwise, which is final. `needed` says how much of it is wanted by now, 0 to 1: what is ahead of that is
   * made at leisure, between the log's writes.
   */
  create(name: string, size: number, recycled: string | null, needed: () => number): Promise<void>;
  /** Removes the file, durably. Completes off the loop. */
  remove(name: string): Promise<void>;
  /** Memory from which `write` need not copy. There is one at a time: the one handed out before is void. */
  buffer(size: number): Uint8Array;
  /**
   * Writes durably at an offset of a created file. One write in flight; `bytes` is borrowed until the promise settles.
   * A rejection is final: the caller ends the process, because a failed sync cannot be repeated.
   */
  write(name: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Waits for what is under way, then lets go of every descriptor and thread. */
  close(): Promise<void>;
}
