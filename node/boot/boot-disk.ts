/** What lies in the data directory, for the decision at the start; read without changing anything. */
import { QuorateError } from "../../src/base/errors.ts";
import type { DataDir, Identity } from "../data-dir.ts";
import { ReadOnlyDevice, recoverReadOnly } from "../read-only-log.ts";
import type { Progress } from "./boot-status.ts";
import type { BootDisk } from "./decide.ts";
import { readForceOrder } from "./force-order.ts";

/** Throws "configuration" or "corruption" where the directory cannot be read. */
export function readBootDisk(dataDir: DataDir): BootDisk {
  dataDir.checkFormat();
  return {
    // What was begun goes on, whatever the file says by now.
    identity: dataDir.isInhabited
      ? (readForceOrder(dataDir)?.identity ?? dataDir.readIdentity())
      : null,
    removed: dataDir.isRemoved,
    foreign: dataDir.isInhabited ? null : foreignReason(dataDir),
  };
}

function foreignReason(dataDir: DataDir): string | null {
  try {
    dataDir.checkForeign();
    return null;
  } catch (error) {
    return QuorateError.from(error).message;
  }
}

/** How far the log of a member that does not run reaches; nothing is known where it is damaged. */
export function readProgress(dataDir: DataDir, identity: Identity): Progress {
  try {
    const { map } = recoverReadOnly(new ReadOnlyDevice(dataDir.wal), identity);
    return { lastIndex: map.last, lastTerm: map.term(map.last), appliedIndex: null };
  } catch {
    return { lastIndex: null, lastTerm: null, appliedIndex: null };
  }
}
