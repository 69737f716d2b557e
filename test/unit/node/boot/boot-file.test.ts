/** The operator's file: what is read, and what is refused by file and field. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { NO_ORDERS, parseBootFile, readBootFile } from "../../../../node/boot/boot-file.ts";

const TICKET = {
  mode: "join",
  nonce: "kv-1.7",
  incarnation: 2,
  clusterId: "ab12",
  initialCluster: "kv-0=https://kv-0.peers:2380,kv-1=https://kv-1.peers:2380",
};
const FENCE = { incarnation: 2, clusterId: "ab12", memberId: "f" };

function refusal(document: unknown): string {
  try {
    parseBootFile("/b/kv-1.json", JSON.stringify(document));
  } catch (error) {
    return String(error);
  }
  throw new Error(`${JSON.stringify(document)} was taken`);
}

describe("a boot file", () => {
  it("says a ticket, a fence, both or nothing", () => {
    const parse = (document: unknown): unknown => parseBootFile("f", JSON.stringify(document));
    assert.deepEqual(parse({ ticket: TICKET, fence: FENCE }), { ticket: TICKET, fence: FENCE });
    assert.deepEqual(parse({}), NO_ORDERS);
    assert.deepEqual(parse({ ticket: null, fence: null }), NO_ORDERS);
    const sparse = { ticket: { ...TICKET, clusterId: undefined }, fence: { incarnation: 1 } };
    assert.deepEqual(parse(sparse), {
      ticket: { ...TICKET, clusterId: null },
      fence: { incarnation: 1, clusterId: null, memberId: null },
    });
    const later = { ticket: { ...TICKET, colour: "red" }, fence: null, more: 1 };
    assert.deepEqual(parse(later), { ticket: TICKET, fence: null });
    const force = { ...TICKET, mode: "forceNew", initialCluster: "" };
    assert.deepEqual(parse({ ticket: force }), { ticket: force, fence: null });
  });

  const faults: readonly [unknown, RegExp][] = [
    [[], /\/b\/kv-1\.json must be an object/],
    [{ ticket: 7 }, /\/b\/kv-1\.json: ticket must be an object/],
    [{ ticket: { ...TICKET, mode: "restore" } }, /ticket\.mode must be one of bootstrap, join/],
    [{ ticket: { ...TICKET, nonce: "" } }, /ticket\.nonce must be 1 to 64/],
    [{ ticket: { ...TICKET, nonce: "../../etc" } }, /ticket\.nonce must be 1 to 64/],
    [{ ticket: { ...TICKET, nonce: 7 } }, /ticket\.nonce must be a text/],
    [{ ticket: { ...TICKET, incarnation: 0 } }, /ticket\.incarnation must be a whole number/],
    [{ ticket: { ...TICKET, incarnation: "2" } }, /ticket\.incarnation must be a whole number/],
    [{ ticket: { ...TICKET, clusterId: "0xab" } }, /ticket\.clusterId must be an id/],
    [{ ticket: { ...TICKET, clusterId: "AB" } }, /ticket\.clusterId must be an id/],
    [{ ticket: { ...TICKET, initialCluster: "" } }, /ticket\.initialCluster must name the members/],
    [
      { ticket: { ...TICKET, initialCluster: "kv-0" } },
      /kv-1\.json: ticket\.initialCluster: 'kv-0' must be written name=peer-url/,
    ],
    [
      { ticket: { ...TICKET, initialCluster: "a=ftp://x:1" } },
      /ticket\.initialCluster: 'ftp:\/\/x:1' must start with http/,
    ],
    [{ fence: { clusterId: null } }, /fence\.incarnation must be a whole number/],
    [{ fence: { ...FENCE, memberId: 5 } }, /fence\.memberId must be an id/],
  ];
  for (const [document, claim] of faults) {
    it(`is refused: ${JSON.stringify(document)}`, () => assert.match(refusal(document), claim));
  }

  it("that is absent has no orders, and one that is no JSON or no file says so", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-boot-file-"));
    try {
      const path = join(folder, "m.json");
      assert.deepEqual(await readBootFile(path), NO_ORDERS);
      writeFileSync(path, "");
      await assert.rejects(readBootFile(path), /m\.json is not JSON/);
      await assert.rejects(readBootFile(folder), /cannot be read \(EISDIR\)/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
