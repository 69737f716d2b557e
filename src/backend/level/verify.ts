/**
 * Reads the files of a store that is in use once more, past LevelDB, and compares all of their checksums: LevelDB looks at
 * them only where it must, and a damaged block that nobody reads is copied by a compaction under a fresh checksum.
 */
import { open, type FileHandle } from "node:fs/promises";

import { crc32c } from "../../base/checksum.ts";
import { isManifestWhole, type LiveTable, manifestPath, readRuns, unmask } from "./manifest.ts";
import {
  type BlockHandle,
  damaged,
  readFooter,
  readHandles,
  readPart,
  TRAILER_BYTES,
} from "./table.ts";
import { QuorateError } from "../../base/errors.ts";

/** One read: less than a millisecond of work. */
const CHUNK_BYTES = 128 * 1024;
const EVERYTHING = new Uint8Array(0);

/**
 * Yields the bytes of each part after it was checked; the caller decides when the next one is read. Throws QuorateError
 * "corruption", naming the file. Tables that LevelDB replaces meanwhile are left out. After `pause`, a record that was being
 * appended to the manifest is complete; null for a store that nobody has open, whose writer may have ended within one.
 */
export async function* verifyFiles(
  directory: string,
  pause: (() => Promise<void>) | null,
): AsyncGenerator<number, void> {
  const manifest = await manifestPath(directory);
  if (pause !== null && !(await isManifestWhole(manifest))) {
    await pause();
    if (!(await isManifestWhole(manifest))) {
      throw new QuorateError("corruption", `${manifest} is damaged: its last record has no end`);
    }
  }
  for (const run of await readRuns(directory)) {
    for (const table of run) yield* verifyTable(table);
  }
}

async function* verifyTable(table: LiveTable): AsyncGenerator<number, void> {
  let file: FileHandle;
  try {
    file = await open(table.path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  try {
    const { metaindex, index } = await readFooter(file, table);
    for (const handle of [index, metaindex]) yield await verifyBlocks(file, table, [handle]);
    for (const filter of await readHandles(file, table, metaindex, EVERYTHING)) {
      yield await verifyBlocks(file, table, [filter]);
    }
    let together: BlockHandle[] = [];
    let bytes = 0;
    for (const handle of await readHandles(file, table, index, EVERYTHING)) {
      together.push(handle);
      bytes += handle.size + TRAILER_BYTES;
      if (bytes < CHUNK_BYTES) continue;
      yield await verifyBlocks(file, table, together);
      together = [];
      bytes = 0;
    }
    if (together.length > 0) yield await verifyBlocks(file, table, together);
  } finally {
    await file.close();
  }
}

/** Blocks that lie side by side: their bytes. */
async function verifyBlocks(
  file: FileHandle,
  table: LiveTable,
  blocks: readonly BlockHandle[],
): Promise<number> {
  const from = blocks[0]?.offset ?? 0;
  const last = blocks.at(-1);
  const end = last === undefined ? from : last.offset + last.size + TRAILER_BYTES;
  if (end < from) throw damaged(table, "a block's place");
  const bytes = await readPart(file, table, from, end - from);
  for (const { offset, size } of blocks) {
    const at = offset - from;
    if (at < 0) throw damaged(table, "a block's place");
    // The CRC covers the block and the byte that says how it is compressed.
    const crcAt = at + size + 1;
    if (unmask(bytes.readUInt32LE(crcAt)) !== crc32c(bytes.subarray(at, crcAt))) {
      throw damaged(table, `the block at offset ${offset}`);
    }
  }
  return bytes.length;
}
