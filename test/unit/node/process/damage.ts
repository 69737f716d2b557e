/** Damage to what a member has on disk. */
import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Member } from "../../../conformance/support/cluster.ts";

/** Turns all bits of one byte round. */
export function flip(path: string, offset: number): void {
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  assert.equal(readSync(file, byte, 0, 1, offset), 1, `${path} has a byte at ${offset}`);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
}

export function storeOf(member: Member): string {
  const root = join(member.dataDir, "member");
  const name = readdirSync(root).find((each) => /^store\.\d+$/.test(each));
  assert.ok(name !== undefined);
  return join(root, name);
}

export function largestTable(store: string): string {
  const tables = readdirSync(store).filter((name) => name.endsWith(".ldb"));
  const sized = tables.map((name) => ({ name, size: readFileSync(join(store, name)).length }));
  const [first] = sized.toSorted((a, b) => b.size - a.size);
  assert.ok(first !== undefined, "the store has a table");
  return join(store, first.name);
}
