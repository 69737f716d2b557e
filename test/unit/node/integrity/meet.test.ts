import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { meet } from "../../../../node/open.ts";
import { LogDisk } from "../../../sim/log-device.ts";
import { append, openOn, run, state } from "../../wal/harness.ts";

describe("a store that meets its log", () => {
  it("keeps what the log has beyond it", async () => {
    const { wal } = await openOn(new LogDisk());
    await append(wal, run(1, 9, 2), state(2, 4, 3));
    const hardState = await meet(wal, state(2, 4, 3), { appliedIndex: 6, appliedTerm: 2 });
    assert.deepEqual(hardState, state(2, 4, 6));
    assert.equal(wal.lastIndex(), 8);
  });

  it("takes the place of a log that says otherwise where it ends: what follows there was never committed", async () => {
    const disk = new LogDisk();
    const { wal } = await openOn(disk);
    await append(wal, run(1, 9, 2), state(2, 4, 3));
    const hardState = await meet(wal, state(2, 4, 3), { appliedIndex: 6, appliedTerm: 3 });
    assert.deepEqual(hardState, state(3, 0, 6), "in the newer term it has not voted");
    assert.equal(wal.firstIndex(), 7);
    assert.equal(wal.lastIndex(), 6);
    assert.equal(wal.term(wal.lastIndex()), 3);
    await wal.close();
    const again = await openOn(disk);
    assert.equal(again.wal.lastIndex(), 6);
    assert.equal(again.recovery.hardState.term, 3);
  });

  it("begins a fresh log with the vote that was kept of a lost one", async () => {
    const { wal } = await openOn(new LogDisk());
    const kept = { ...state(0, 0, 0), term: state(7, 0, 0).term, vote: state(0, 5, 0).vote };
    const hardState = await meet(wal, kept, { appliedIndex: 40, appliedTerm: 6 });
    assert.deepEqual(hardState, state(7, 5, 40));
    assert.equal(wal.lastIndex(), 40);
  });

  it("is refused where it lacks what the log let go of", async () => {
    const { wal } = await openOn(new LogDisk());
    await new Promise<void>((resolve) => {
      wal.reset(state(0, 0, 10).commit, state(2, 0, 0).term, state(2, 0, 10), resolve);
    });
    const met = meet(wal, state(2, 0, 10), { appliedIndex: 4, appliedTerm: 2 });
    await assert.rejects(met, { code: "corruption", message: /the store ends at entry 4/ });
  });
});
