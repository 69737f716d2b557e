/** Members of builds that speak different ranges of peer protocols. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "../../../../node/peer/handshake.ts";
import { QUORATE_VERSION } from "../../../../src/base/version.ts";
import { BootCell, grow } from "./boot-cell.ts";
import { putMany, readAll, withClient } from "./support.ts";

const PRELOAD = fileURLToPath(new URL("protocol-range.ts", import.meta.url));
const MAIN = fileURLToPath(new URL("../../../../node/main.ts", import.meta.url));
/** As this build speaks them, one more, and that one alone. */
const OURS = `${PROTOCOL_MIN} ${PROTOCOL_MAX}`;
const WIDER = `${PROTOCOL_MIN} ${PROTOCOL_MAX + 1}`;
const APART = `${PROTOCOL_MAX + 1} ${PROTOCOL_MAX + 1}`;

/** Of members that are started from now on. */
function speak(range: string): void {
  process.env["QUORATE_TEST_PROTOCOLS"] = range;
}

async function restart(cell: BootCell, at: number, range: string): Promise<void> {
  await cell.member(at).stop("SIGTERM");
  speak(range);
  cell.start(at);
}

describe("members whose builds speak different peer protocols", () => {
  it("go on together where the ranges meet; whom the others do not understand is told so, and they serve without it", async () => {
    process.env["QUORATE_COMMAND"] = `${process.execPath} --import=${PRELOAD} ${MAIN}`;
    await BootCell.with(3, async (cell) => {
      speak(OURS);
      await grow(cell, 3);
      const written = new Map<string, string>();
      const write = async (at: number, prefix: string): Promise<void> => {
        const some = await withClient(cell.member(at), (client) => putMany(client, prefix, 20));
        for (const [key, value] of some) written.set(key, value);
      };
      await write(0, "together");

      await restart(cell, 2, APART);
      const [lone = "", most = ""] = [APART.split(" ")[0], OURS.split(" ")[1]];
      const { reason, refusal, memberId } = await cell.awaitReport(
        2,
        "is refused",
        (report) => report.refusal !== undefined,
      );
      const who = `member ${memberId} of version ${QUORATE_VERSION} speaks peer protocol ${lone} to ${lone}`;
      assert.match(refusal ?? "", new RegExp(`^${who}, member \\w+ of version .* to ${most}$`));
      assert.equal(reason, `its peers refuse this member: ${refusal}`);
      const { status, body } = await cell.get(2, "/ready");
      assert.deepEqual([status, body], [503, "there is no leader\n"]);
      await write(0, "without");

      // Of one that only misses another one, it is not said: with that it would have a quorum.
      await cell.member(0).stop("SIGKILL");
      const left = await cell.awaitReport(1, "has no leader", ({ leader }) => leader === null);
      assert.deepEqual([left.reason, left.refusal], ["there is no leader", undefined]);
      speak(OURS);
      cell.start(0);
      await cell.awaitReady(1);

      for (const at of [2, 1, 0]) {
        await restart(cell, at, WIDER);
        await cell.awaitReady(at);
        await write((at + 1) % 3, `while-${at}`);
      }
      await restart(cell, 2, APART);
      await cell.awaitReady(2);
      assert.equal((await cell.report(2))?.refusal, undefined);
      await write(2, "after");
      for (const member of cell.members)
        assert.deepEqual(await withClient(member, readAll), written);
    });
  });
});
