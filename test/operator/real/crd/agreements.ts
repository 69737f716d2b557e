/** Where the API server checks a text and the operator reads it: what the one accepts, the other understands. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isWindowOpen } from "../../../../operator/cluster/operation/windows.ts";
import { durationMs, parseDuration } from "../../../../operator/api/duration.ts";
import { parseQuantity, quantityOf } from "../../../../operator/api/quantity.ts";
import { QUORATE_BACKUP_SCHEDULE, QUORATE_CLUSTER } from "../../../../operator/api/resources.ts";
import { CRON } from "../../../../operator/api/schema/cron.ts";
import { Schedule } from "../../../../operator/backup/cron.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { LEAST } from "./bases.ts";
import { edit } from "./case.ts";
import type { ApiServer } from "./server.ts";

export function agreements(server: () => ApiServer): void {
  describe("numbers", () => {
    const schema = LEAST.get(QUORATE_CLUSTER) ?? {};

    // A suffix without a number is nought to the API server, and too little by its rule; to us it is no quantity.
    it("the API server takes for a quantity what we take for one", async () => {
      const good = [
        "8Gi",
        "1.5Gi",
        "300M",
        "1e9",
        "1E10",
        "+1Gi",
        "1000000k",
        "5.e9",
        "500000000000m",
      ];
      const bad = ["", "8GB", "8 Gi", "1e", "0x10", "8gi", "1.2.3", "--1", "1KI", "1Gi ", "1e3Gi"];
      for (const size of [...good, ...bad]) {
        const { message } = await server().judge(
          QUORATE_CLUSTER,
          edit(schema, { "storage.size": size }),
        );
        const takes = !message.includes("must be a quantity");
        assert.equal(parseQuantity(size) !== null, takes, `"${size}": ${message}`);
      }
    });

    it("the API server has the order of quantities that we have", async () => {
      const sizes = ["1Gi", "1G", "1.5Gi", "1536Mi", "1500M", 1_610_612_736, "1610612737", "2e9"];
      for (const before of sizes)
        for (const after of sizes) {
          const { accepted } = await server().judgeChange(
            QUORATE_CLUSTER,
            edit(schema, { "storage.size": before }),
            edit(schema, { "storage.size": after }),
          );
          assert.equal(accepted, quantityOf(after) >= quantityOf(before), `${before} to ${after}`);
        }
    });

    it("the API server takes for a duration what we take for one", async () => {
      const good = ["30s", "1h30m", "1.5h", "90000ms", "1m1m"];
      for (const text of [...good, "", "90", "1d", "-1m", "1.m", "1 m", "90000000us"]) {
        const edits = { "repair.notReadyAfter": text };
        const { accepted } = await server().judge(QUORATE_CLUSTER, edit(schema, edits));
        assert.equal(parseDuration(text) !== null, accepted, `"${text}"`);
      }
      for (const [heartbeat, election] of [
        ["0.1s", "500ms"],
        ["101ms", "505ms"],
        ["101ms", "504ms"],
        ["1s", "0.08m"],
      ] as const) {
        const edits = {
          "server.heartbeatInterval": heartbeat,
          "server.electionTimeout": election,
        };
        const { accepted } = await server().judge(QUORATE_CLUSTER, edit(schema, edits));
        assert.equal(accepted, durationMs(election) >= 5 * durationMs(heartbeat), election);
      }
    });
  });

  describe("schedules", () => {
    /** Fields of cron out of parts that are right, wrong, or right somewhere else. */
    function schedules(count: number, seed: number): string[] {
      const random = new Prng(seed);
      const pick = <T>(from: readonly T[]): T => from[random.between(0, from.length)] as T;
      const values = [
        "0",
        "1",
        "2",
        "7",
        "8",
        "12",
        "23",
        "29",
        "31",
        "59",
        "60",
        "SUN",
        "SAT",
        "FEB",
        "DEC",
      ];
      const part = (): string =>
        pick([
          () => "*",
          () => "*",
          () => pick(values),
          () => `${pick(values)}-${pick(values)}`,
          () => `*/${pick(values)}`,
          () => `${pick(values)}-${pick(values)}/${pick(values)}`,
        ])();
      const field = (): string => Array.from({ length: random.between(1, 3) }, part).join(",");
      return Array.from({ length: count }, () => Array.from({ length: 5 }, field).join(" "));
    }

    it("what the API server accepts, the operator can read, and it comes to pass", async () => {
      const least = LEAST.get(QUORATE_BACKUP_SCHEDULE) ?? {};
      let accepted = 0;
      for (const schedule of schedules(9000, 20)) {
        if (!new RegExp(CRON.regex).test(schedule)) continue;
        const verdict = await server().judge(QUORATE_BACKUP_SCHEDULE, edit(least, { schedule }));
        if (!verdict.accepted) continue;
        accepted++;
        assert.notEqual(new Schedule(schedule, "Etc/UTC").next(0), null, schedule);
      }
      assert.ok(accepted > 50, `${accepted} were accepted`);
    });
  });

  describe("update windows", () => {
    it("what the API server accepts opens at some time of the week, in some hour not", async () => {
      const least = LEAST.get(QUORATE_CLUSTER) ?? {};
      const monday = Date.parse("2026-08-03T00:00:00Z");
      const days = ["*", "Mon", "Sat-Mon", "Tue-Fri", "mon", "Sun-", "Mon,Tue"];
      const hours = [
        "00:00-24:00",
        "22:00-02:00",
        "03:00-03:01",
        "24:00-01:00",
        "05:00-05:00",
        "1:00-2:00",
      ];
      let accepted = 0;
      for (const day of days)
        for (const hour of hours) {
          const windows = [`${day} ${hour}`];
          const verdict = await server().judge(
            QUORATE_CLUSTER,
            edit(least, { "update.windows": windows }),
          );
          const hoursOfWeek = Array.from({ length: 7 * 24 }, (_, at) => monday + at * 3_600_000);
          const open = hoursOfWeek.filter((now) => isWindowOpen(windows, "Etc/UTC", now)).length;
          if (!verdict.accepted) continue;
          accepted++;
          assert.ok(
            open > 0 && (open < hoursOfWeek.length || windows[0] === "* 00:00-24:00"),
            windows[0],
          );
        }
      assert.equal(accepted, 4 * 3);
    });
  });
}
