import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { BLOCK, VOTE_FILE } from "../../../src/wal/format.ts";
import { verifyLog } from "../../../src/wal/verify.ts";
import { areVotesWhole, certainVote } from "../../../src/wal/vote.ts";
import type { Wal } from "../../../src/wal/wal.ts";
import { LogDisk } from "../../sim/log-device.ts";
import { append, openOn, run, SMALL_SEGMENT, state } from "./harness.ts";

const FIRST = "0000000000000001.wal";
const SECOND = "0000000000000002.wal";

function file(disk: LogDisk, name: string): Uint8Array {
  return present(disk.files.get(name), name);
}

/** Two segments and some, still open. */
async function twoSegments(): Promise<{ readonly disk: LogDisk; readonly wal: Wal }> {
  const disk = new LogDisk();
  const { wal } = await openOn(disk);
  await append(wal, run(1, 3, 1), state(1, 4, 0));
  for (let at = 3; at <= 12; at++) await append(wal, run(at, at + 1, 1));
  return { disk, wal };
}

async function verify(wal: Wal, disk: LogDisk): Promise<number> {
  let bytes = 0;
  const read = async (name: string, offset: number, length: number): Promise<Uint8Array> =>
    file(disk, name).slice(offset, offset + length);
  for await (const part of verifyLog(wal.extent(), read)) bytes += part;
  return bytes;
}

describe("verifyLog", () => {
  it("reads a log in use from end to end, and again after it grew", async () => {
    const { disk, wal } = await twoSegments();
    assert.ok((await verify(wal, disk)) > SMALL_SEGMENT);
    await append(wal, run(13, 14, 1));
    await verify(wal, disk);
  });

  it("leaves out what is appended after it began", async () => {
    const { disk, wal } = await twoSegments();
    const extent = wal.extent();
    await append(wal, run(13, 14, 1));
    const read = async (name: string, offset: number, length: number): Promise<Uint8Array> =>
      file(disk, name).slice(offset, offset + length);
    for await (const part of verifyLog(extent, read)) assert.ok(part > 0);
  });

  it("names file and offset of every damaged batch, the last and the first of a file included", async () => {
    const { disk, wal } = await twoSegments();
    const blocks = SMALL_SEGMENT / BLOCK;
    const last = 11 - blocks - 1;
    const places = [
      [FIRST, 0],
      [FIRST, 3],
      [FIRST, blocks - 1],
      [SECOND, 1],
      [SECOND, last],
    ] as const;
    for (const [name, block] of places) {
      for (const byte of [2, 20, 45, 89]) {
        const damaged = disk.clone();
        const bytes = file(damaged, name);
        const at = block * BLOCK + byte;
        bytes[at] = (bytes[at] ?? 0) ^ 0x10;
        await assert.rejects(verify(wal, damaged), {
          code: "logCorruption",
          message: new RegExp(`${name} offset ${block * BLOCK}: `),
        });
      }
    }
  });

  it("names the end of a segment whose successor does not continue it", async () => {
    const { disk, wal } = await twoSegments();
    file(disk, SECOND).fill(0, 0, BLOCK);
    await assert.rejects(verify(wal, disk), { code: "logCorruption" });
  });
});

describe("the second copy of the vote", () => {
  it("is certain where both slots are whole, or one was never written", async () => {
    const { disk } = await twoSegments();
    const bytes = file(disk, VOTE_FILE);
    const newest = present(certainVote(bytes), "both are whole");
    assert.equal(newest.term, 1);
    assert.equal(newest.vote, 4n);
    for (const slot of [0, 1]) {
      const damaged = bytes.slice();
      const at = slot * BLOCK + 41;
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      assert.equal(areVotesWhole(damaged), false);
      assert.equal(certainVote(damaged), null, "a damaged slot may have been the newer one");
    }
    const older = (newest.counter + 1) % 2;
    const single = bytes.slice().fill(0, older * BLOCK, older * BLOCK + 64);
    assert.equal(certainVote(single)?.counter, newest.counter);
    assert.equal(certainVote(new Uint8Array(2 * BLOCK)), null);
    assert.equal(certainVote(bytes.subarray(0, BLOCK)), null);
  });

  it("is whole again after it was renewed twice", async () => {
    const { disk, wal } = await twoSegments();
    const bytes = file(disk, VOTE_FILE);
    for (const slot of [0, 1]) bytes[slot * BLOCK + 41] = 0xaa;
    await wal.renewVote();
    await wal.renewVote();
    assert.ok(areVotesWhole(file(disk, VOTE_FILE)));
    assert.equal(certainVote(file(disk, VOTE_FILE))?.vote, 4n);
  });
});
