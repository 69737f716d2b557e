/**
 * Which tables LevelDB's store consists of: CURRENT names a manifest, whose records say which files came and went
 * (leveldb doc/impl.md, doc/log_format.md). Read beside LevelDB itself, for a scan that goes past it (`scan.ts`).
 */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";

import { crc32c } from "../../base/checksum.ts";
import { QuorateError } from "../../base/errors.ts";

const BLOCK_BYTES = 32 * 1024;
/** CRC (4, masked), length (2), type (1). */
const RECORD_HEAD_BYTES = 7;
const RECORD_FULL = 1;
const RECORD_FIRST = 2;
const RECORD_LAST = 4;
const CRC_MASK_DELTA = 0xa282ead8;
/** Sequence number and type at the end of a key as LevelDB stores it. */
export const KEY_TAIL_BYTES = 8;

/** Fields of a version edit (leveldb db/version_edit.cc). */
const EditTag = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

export interface LiveTable {
  readonly path: string;
  /** Of the file. */
  readonly size: number;
  /** First and last record key in it. */
  readonly smallest: Uint8Array;
  readonly largest: Uint8Array;
}

/**
 * Tables that do not overlap, in the order of their keys. Every table of level 0 is a run of its own, every other level is
 * one. Throws QuorateError "corruption" for a manifest that does not read as one.
 */
export async function readRuns(directory: string): Promise<readonly (readonly LiveTable[])[]> {
  const path = await manifestPath(directory);
  const files = new Map<number, Map<number, LiveTable>>();
  for (const record of records(await readFile(path), path)) {
    new Edit(record, path, directory).applyTo(files);
  }
  const runs: (readonly LiveTable[])[] = [];
  for (const [level, tables] of files) {
    const sorted = [...tables.values()].toSorted((a, b) => Buffer.compare(a.smallest, b.smallest));
    if (level === 0) runs.push(...sorted.map((table) => [table]));
    else if (sorted.length > 0) runs.push(sorted);
  }
  return runs;
}

/** The manifest in use. Throws QuorateError "corruption" where CURRENT names none. */
export async function manifestPath(directory: string): Promise<string> {
  const path = join(directory, "CURRENT");
  const current = await readFile(path, "latin1");
  const manifest = join(directory, current.trimEnd());
  try {
    if (!/^MANIFEST-\d+\n$/.test(current)) throw new Error("that is no name of a manifest");
    await access(manifest);
    return manifest;
  } catch (error) {
    throw new QuorateError("corruption", `${path} is damaged: it names no manifest`, error);
  }
}

/** Whether the file ends with a record, not within one. */
export async function isManifestWhole(path: string): Promise<boolean> {
  const walk = records(await readFile(path), path);
  for (;;) {
    const step = walk.next();
    if (step.done === true) return step.value;
  }
}

/**
 * The records of a file in LevelDB's log format. One that is cut short at the end is being written: it is left out, and the
 * answer is false.
 */
function* records(bytes: Buffer, path: string): Generator<Buffer, boolean> {
  let parts: Buffer[] = [];
  for (let at = 0; at + RECORD_HEAD_BYTES <= bytes.length;) {
    const room = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (room < RECORD_HEAD_BYTES) {
      at += room;
      continue;
    }
    const length = bytes.readUInt16LE(at + 4);
    const type = bytes[at + 6] ?? 0;
    const end = at + RECORD_HEAD_BYTES + length;
    if (end > bytes.length) return false;
    const masked = bytes.readUInt32LE(at);
    if (unmask(masked) !== crc32c(bytes.subarray(at + 6, end))) {
      throw new QuorateError("corruption", `${path}: the record at offset ${at} is damaged`);
    }
    if (type === RECORD_FULL || type === RECORD_FIRST) parts = [];
    parts.push(bytes.subarray(at + RECORD_HEAD_BYTES, end));
    if (type === RECORD_FULL || type === RECORD_LAST) yield Buffer.concat(parts);
    at = end;
  }
  return true;
}

/** LevelDB masks the CRCs that it stores (leveldb util/crc32c.h). */
export function unmask(masked: number): number {
  const rotated = (masked - CRC_MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** One version edit on its way through its bytes. */
class Edit {
  readonly #bytes: Buffer;
  readonly #path: string;
  readonly #directory: string;
  #at = 0;

  constructor(bytes: Buffer, path: string, directory: string) {
    this.#bytes = bytes;
    this.#path = path;
    this.#directory = directory;
  }

  applyTo(files: Map<number, Map<number, LiveTable>>): void {
    while (this.#at < this.#bytes.length) {
      const tag = this.#varint();
      switch (tag) {
        case EditTag.comparator:
          this.#slice();
          break;
        case EditTag.logNumber:
        case EditTag.nextFile:
        case EditTag.lastSequence:
        case EditTag.previousLog:
          this.#varint();
          break;
        case EditTag.compactPointer:
          this.#varint();
          this.#slice();
          break;
        case EditTag.deletedFile:
          files.get(this.#varint())?.delete(this.#varint());
          break;
        case EditTag.newFile:
          this.#addFile(files);
          break;
        default:
          throw this.#damaged(`it has a field ${tag}`);
      }
    }
  }

  #addFile(files: Map<number, Map<number, LiveTable>>): void {
    const level = this.#varint();
    const number = this.#varint();
    const size = this.#varint();
    const smallest = this.#userKey();
    const largest = this.#userKey();
    const path = join(this.#directory, `${String(number).padStart(6, "0")}.ldb`);
    let tables = files.get(level);
    if (tables === undefined) files.set(level, (tables = new Map()));
    tables.set(number, { path, size, smallest, largest });
  }

  #userKey(): Uint8Array {
    const key = this.#slice();
    if (key.length < KEY_TAIL_BYTES) throw this.#damaged("a key in it is too short");
    return key.subarray(0, key.length - KEY_TAIL_BYTES);
  }

  #slice(): Uint8Array {
    const length = this.#varint();
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw this.#damaged("it ends in the middle of a field");
    return this.#bytes.subarray(from, this.#at);
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || scale > 2 ** 49) throw this.#damaged("a number in it has no end");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #damaged(found: string): QuorateError {
    return new QuorateError("corruption", `${this.#path} is damaged: ${found}`);
  }
}
