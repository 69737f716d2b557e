/** BackupHealthy does not lie: a table of what has happened and what is said of it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QuorateBackup, QuorateBackupSchedule } from "../../../operator/api/gen/types.ts";
import { backupHealth } from "../../../operator/backup/health.ts";
import { backupSpec } from "./sandbox.ts";

function backup(
  time: string,
  phase: "Complete" | "Failed" | "Running",
  verified = true,
): QuorateBackup {
  return {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateBackup",
    metadata: { name: time, creationTimestamp: time, labels: { "quorate.io/schedule": "nightly" } },
    spec: backupSpec(),
    status: { phase, verified, ...(phase === "Running" ? {} : { completedAt: time }) },
  };
}

const NIGHTLY: QuorateBackupSchedule = {
  apiVersion: "quorate.io/v1alpha1",
  kind: "QuorateBackupSchedule",
  metadata: { name: "nightly", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: { schedule: "0 2 * * *", backupTemplate: { spec: backupSpec() } },
};
const SUSPENDED: QuorateBackupSchedule = { ...NIGHTLY, spec: { ...NIGHTLY.spec, suspend: true } };
const good = backup("2026-01-03T02:00:00Z", "Complete");
const bad = backup("2026-01-03T02:00:00Z", "Failed");
const old = backup("2026-01-02T02:00:00Z", "Complete");

describe("backupHealth", () => {
  const table: readonly [
    string,
    readonly QuorateBackup[],
    readonly QuorateBackupSchedule[],
    string,
    string,
  ][] = [
    ["nothing at all", [], [], "2026-01-03T03:00:00Z", "Unknown NoBackup"],
    [
      "a schedule whose first time is to come",
      [],
      [NIGHTLY],
      "2026-01-01T01:00:00Z",
      "Unknown NoBackup",
    ],
    ["a schedule that has never worked", [], [NIGHTLY], "2026-01-03T03:00:00Z", "False Overdue"],
    ["a success in time", [good], [NIGHTLY], "2026-01-03T03:00:00Z", "True Complete"],
    ["a success by hand", [good], [], "2026-02-03T03:00:00Z", "True Complete"],
    ["a failure after a success", [old, bad], [NIGHTLY], "2026-01-03T02:10:00Z", "False Failed"],
    [
      "a success, and one under way",
      [old, backup("2026-01-03T02:00:00Z", "Running")],
      [NIGHTLY],
      "2026-01-03T02:10:00Z",
      "True Complete",
    ],
    ["a success too long ago", [old], [NIGHTLY], "2026-01-03T03:00:00Z", "False Overdue"],
    [
      "a success long ago, and the schedule suspended",
      [old],
      [SUSPENDED],
      "2026-01-09T03:00:00Z",
      "True Complete",
    ],
    [
      "a success that was not read back",
      [backup("2026-01-03T02:00:00Z", "Complete", false)],
      [],
      "2026-01-03T03:00:00Z",
      "True Unverified",
    ],
  ];
  for (const [situation, backups, schedules, now, said] of table) {
    it(`says ${said} of ${situation}`, () => {
      const { status, reason } = backupHealth(backups, schedules, Date.parse(now));
      assert.equal(`${status} ${reason}`, said);
    });
  }
});
