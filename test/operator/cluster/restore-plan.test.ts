/** What is done next about a restore in place, before its members stop and after. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import {
  type RestoreOperation,
  type RestoreVerdict,
  parseJournal,
} from "../../../operator/cluster/journal.ts";
import type {
  CheckProgress,
  Origin,
  RestoreProgress,
} from "../../../operator/cluster/restore-port.ts";
import { next } from "./asking.ts";
import { NOW, factsOf } from "./facts.ts";

const MINUTE = 60_000;
const SOUND: RestoreVerdict = { refusal: null };
const MISSING = { reason: "BackupNotFound", message: "there is no QuorateBackup x" };
const ORIGIN: Origin = {
  place: { kind: "claim", claimName: "shelf" },
  key: "x.db",
  sha256: null,
  authEnabled: null,
};
const FOUND: CheckProgress = { kind: "absent", source: { kind: "found", origin: ORIGIN } };

function operationOf(changes: Partial<RestoreOperation> = {}): RestoreOperation {
  return {
    type: "Restore",
    id: "1-4",
    step: "CheckSource",
    attempts: 0,
    startedAt: new Date(NOW - MINUTE).toISOString(),
    deadline: new Date(NOW + 9 * MINUTE).toISOString(),
    task: null,
    source: { backupRef: { name: "x" } },
    inPlace: true,
    nonce: "n",
    size: 3,
    claimUids: [],
    origin: ORIGIN,
    verdict: null,
    restored: null,
    ...changes,
  };
}

interface Case {
  readonly claim: string;
  readonly check: CheckProgress;
  readonly origin?: null;
  readonly verdict?: RestoreVerdict;
  readonly minutes?: number;
  readonly does: string;
}

/** In one line: what is done, and what is said or remembered. */
function told(action: Action): string {
  if (action.kind === "wait") return `wait ${action.reason}: ${action.message}`;
  if (action.kind !== "journal") return action.kind;
  const { operation, size, history } = action.document;
  if (operation?.type !== "Restore")
    return `${history.at(-1)?.outcome}, size ${size}: ${history.at(-1)?.message}`;
  const { verdict, step, origin } = operation;
  const { refusal } = verdict ?? { refusal: "none" };
  return `${step}, size ${size}, at ${origin?.key ?? "nowhere"}, refusal: ${refusal}`;
}

const BEFORE = "the snapshot was looked at before any member was stopped, and cannot be restored: ";
const CASES: readonly Case[] = [
  {
    claim: "remembers where the source leads before anything is read from there",
    check: FOUND,
    origin: null,
    does: "CheckSource, size 3, at x.db, refusal: none",
  },
  {
    claim: "makes a Job that reads the source through",
    check: FOUND,
    does: "checkJob",
  },
  {
    claim: "waits for a source that may yet come",
    check: { kind: "absent", source: { kind: "missing", ...MISSING } },
    origin: null,
    does: `wait BackupNotFound: ${MISSING.message}`,
  },
  {
    claim: "gives up a source that has not come for ten minutes",
    check: { kind: "absent", source: { kind: "missing", ...MISSING } },
    minutes: 11,
    origin: null,
    does: `CheckSource, size 3, at nowhere, refusal: ${MISSING.message}`,
  },
  {
    claim: "gives up a source that never will come",
    check: { kind: "absent", source: { kind: "refused", ...MISSING } },
    origin: null,
    does: `CheckSource, size 3, at nowhere, refusal: ${MISSING.message}`,
  },
  {
    claim: "waits while it is read, for as long as that takes",
    check: { kind: "running", note: "" },
    minutes: 9,
    does: "wait AwaitCheck: the snapshot is checked before the members stop",
  },
  {
    claim: "calls it long after ten minutes, and goes on waiting",
    check: { kind: "running", note: "" },
    minutes: 90,
    does: "wait AwaitCheck: Restore takes long: the snapshot is checked before the members stop",
  },
  {
    claim: "says what the check waits for",
    check: { kind: "running", note: "no node has room" },
    does: "wait AwaitCheck: the snapshot is checked before the members stop: no node has room",
  },
  {
    claim: "gives up a check that gets nowhere",
    check: { kind: "running", note: "no node has room" },
    minutes: 11,
    does: "CheckSource, size 3, at x.db, refusal: it could not be checked within ten minutes: no node has room",
  },
  {
    claim: "remembers what is wrong before the Job that found it goes",
    check: { kind: "failed", message: "it is damaged" },
    does: "CheckSource, size 3, at x.db, refusal: it is damaged",
  },
  {
    claim: "remembers that it is sound before the Job that found it goes",
    check: { kind: "sound" },
    does: "CheckSource, size 3, at x.db, refusal: null",
  },
  {
    claim: "takes the Job away before the members stop",
    check: { kind: "sound" },
    verdict: SOUND,
    does: "deleteCheckJob",
  },
  {
    claim: "stops the members once it is known to be sound and nothing is left of the check",
    check: FOUND,
    verdict: SOUND,
    does: "StopMembers, size 0, at x.db, refusal: null",
  },
  {
    claim: "takes a Job away that gets nowhere, though it still runs",
    check: { kind: "running", note: "no node has room" },
    verdict: { refusal: "it is damaged" },
    does: "deleteCheckJob",
  },
  {
    claim: "ends with the members as they are where it is refused",
    check: FOUND,
    verdict: { refusal: "it is damaged" },
    does: `Failed, size 3: ${BEFORE}it is damaged. Nothing was changed`,
  },
];

describe("a restore in place, before the members stop,", () => {
  for (const { claim, check, origin = ORIGIN, verdict = null, minutes = 1, does } of CASES) {
    it(claim, () => {
      const startedAt = new Date(NOW - minutes * MINUTE).toISOString();
      const deadline = new Date(NOW + (10 - minutes) * MINUTE).toISOString();
      const operation = operationOf({ origin, verdict, startedAt, deadline });
      assert.equal(told(next({ operation, facts: { check } })), does);
    });
  }

  it("is given up where its task is gone, and not where that is there", () => {
    const operation = operationOf({ task: "t-1" });
    const metadata = { name: "t", namespace: "data", uid: "t-1" };
    const message =
      "Restore is under way: the snapshot is checked, and the members run on meanwhile";
    const task: QuorateTask = {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateTask",
      metadata,
      spec: { clusterRef: { name: "kv" } },
      status: { phase: "Running", message },
    };
    assert.equal(told(next({ operation, facts: { check: FOUND, tasks: [task] } })), "checkJob");
    assert.equal(
      told(next({ operation, facts: { check: FOUND } })),
      "CheckSource, size 3, at x.db, refusal: its QuorateTask was deleted",
    );
  });

  it("begins with it where an operator wrote the journal who knew of none", () => {
    const older = operationOf({ step: "FindSource", origin: null });
    const { journal } = factsOf({ operation: older });
    const text = JSON.stringify(journal?.document).replace('"origin":null,"verdict":null,', "");
    assert.doesNotMatch(text, /verdict|origin/);
    assert.deepEqual(parseJournal(text).operation, older);
  });
});

describe("a restore in place, once the members are stopped,", () => {
  const failed: RestoreProgress = {
    kind: "failed",
    reason: "SnapshotDamaged",
    message: "it is damaged",
    harmless: true,
    lasting: true,
  };

  it("that finds its snapshot damaged after all has them start again with what they had", () => {
    const operation = operationOf({ step: "StopMembers", verdict: SOUND });
    const members = [{ pod: null }, { pod: null }, { pod: null }];
    const action = next({ operation, members, journal: { size: 0 }, facts: { restore: failed } });
    assert.match(told(action), /^Failed, size 3: it is damaged\. The members start again/);
  });
});
