/** The changes of past revisions, for watchers that catch up. */
import type { BackendIterator, BackendRow } from "../backend/backend.ts";
import { openRecord } from "../backend/record.ts";
import type { Change, ChangeSlice } from "./change.ts";
import { Continuity } from "./continuity.ts";
import type { Core } from "./core.ts";
import { recordKeyOf } from "./hash.ts";
import { SUB_MAX } from "./key-index.ts";
import { StoredChange } from "./pending.ts";
import { keyOf } from "./record.ts";
import { readRevisionKey, type Revision } from "./revision.ts";

const ROWS_MAX = 512;
/** A slice ends after the revision that crosses this. */
const SLICE_BYTES = 4 * 1024 * 1024;

export async function readChanges(
  core: Core,
  from: Revision,
  end: Revision,
  revisionsMax: number,
): Promise<ChangeSlice> {
  const slice = new Slice(revisionsMax);
  // Taken in one turn: what is not pending by now is in the view. A revision arrives as a whole.
  const pending = core.pending.slice(from, end);
  const storedEnd = Math.min(end, core.pending.firstMain);
  if (from < storedEnd) {
    const continuity = new Continuity(from, core.compactRevision);
    const view = core.backend.view();
    const rows = view.iterate(recordKeyOf(from), recordKeyOf(storedEnd));
    try {
      if (await addStored(slice, rows, continuity)) continuity.finish(storedEnd);
    } finally {
      await rows.close();
      await view.close();
    }
    await continuity.check(core);
  }
  for (const change of pending) if (!slice.add(change, change.record.length)) break;
  return { changes: slice.changes, next: slice.next ?? end };
}

/** False where the slice was full before the rows ended. */
async function addStored(
  slice: Slice,
  rows: BackendIterator,
  continuity: Continuity,
): Promise<boolean> {
  for (;;) {
    const batch = await rows.next(ROWS_MAX);
    if (batch.length === 0) return true;
    for (const row of batch) {
      const change = toChange(row);
      if (!slice.add(change, row[1].length)) return false;
      continuity.take(change.main, change.sub);
    }
  }
}

function toChange([recordKey, value]: BackendRow): StoredChange {
  const payload = openRecord(recordKey, value);
  const { main, sub, tombstone } = readRevisionKey(recordKey.subarray(1));
  const key = keyOf(payload);
  return new StoredChange({ key, main, sub }, tombstone ? null : payload, null, 0);
}

/** Whole revisions, up to a limit. */
class Slice {
  readonly changes: Change[] = [];
  /** The first revision that did not fit. */
  next: Revision | null = null;
  readonly #revisionsMax: number;
  #revisions = 0;
  #main = -1;
  #bytes = 0;

  constructor(revisionsMax: number) {
    this.#revisionsMax = revisionsMax;
  }

  /** False where the change starts a revision that does not fit any more. */
  add(change: Change, bytes: number): boolean {
    if (this.next !== null) return false;
    if (change.main !== this.#main) {
      if (this.#revisions >= this.#revisionsMax || this.#bytes >= SLICE_BYTES) {
        this.next = change.main;
        return false;
      }
      this.#revisions++;
      this.#main = change.main;
    }
    this.#bytes += bytes;
    this.changes.push(change);
    return true;
  }
}

export function previousRecord(
  core: Core,
  change: Change,
): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  const before = change.main - 1;
  if (change instanceof StoredChange) {
    const { previous } = change;
    if (previous !== null && previous.record !== null && previous.main <= before) {
      return previous.record;
    }
  }
  // As etcd: what a range at the revision before would answer.
  if (before < core.compactRevision || before < 1) return undefined;
  const version = core.index.at(change.key, before, SUB_MAX);
  if (version === null) return undefined;
  const { main, sub } = version;
  return version.record ?? core.pending.record(main, sub) ?? loadOne(core, main, sub, before);
}

async function loadOne(
  core: Core,
  main: number,
  sub: number,
  before: number,
): Promise<Uint8Array | undefined> {
  const pin = core.pins.pin(before);
  try {
    return (await core.values.load([main], [sub]))[0];
  } finally {
    pin.release();
  }
}
