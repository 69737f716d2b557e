/** Alerts on what the operator exports, judged by promtool; and that it exports what they ask for. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Metrics } from "../../operator/metrics.ts";
import { OPERATOR_ALERTS_FILE, metricsOf, readRules } from "./support/monitoring.ts";
import { run, tool } from "./support/tools.ts";

const HOUR = 3_600;
const BAD = { namespace: "data", cluster: "kv" };

interface Case {
  readonly alert: string;
  readonly at: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Series by name, in promtool's notation, a minute apart. The clock begins with 0. */
  readonly series: Readonly<Record<string, string>>;
}

const HEALTHY = "quorate_operator_cluster_backup_healthy";
const SUCCESS = "quorate_operator_schedule_last_success_timestamp_seconds";
const INTERVAL = "quorate_operator_schedule_interval_seconds";

const CASES: readonly Case[] = [
  {
    alert: "QuorateBackupUnhealthy",
    at: "30m",
    labels: BAD,
    series: {
      [`${HEALTHY}{job="quorate-operator", namespace="data", cluster="kv"}`]: "1x5 0x60",
      [`${HEALTHY}{job="quorate-operator", namespace="data", cluster="well"}`]: "1x60",
      [`${HEALTHY}{job="quorate-operator", namespace="data", cluster="short"}`]: "1x20 0x60",
    },
  },
  {
    alert: "QuorateBackupOld",
    at: "5h",
    labels: { ...BAD, schedule: "hourly" },
    series: {
      [`${SUCCESS}{job="quorate-operator", namespace="data", cluster="kv", schedule="hourly"}`]: `${HOUR}x400`,
      [`${INTERVAL}{job="quorate-operator", namespace="data", cluster="kv", schedule="hourly"}`]: `${HOUR}x400`,
      [`${SUCCESS}{job="quorate-operator", namespace="data", cluster="kv", schedule="daily"}`]: `${HOUR}x400`,
      [`${INTERVAL}{job="quorate-operator", namespace="data", cluster="kv", schedule="daily"}`]: `${24 * HOUR}x400`,
      [`${SUCCESS}{job="quorate-operator", namespace="data", cluster="kv", schedule="suspended"}`]: `0x400`,
    },
  },
];

describe("the operator's alerts", () => {
  const folder = mkdtempSync(join(tmpdir(), "conformance-operator-alerts-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const rules = readRules(OPERATOR_ALERTS_FILE);

  for (const { alert, at, labels, series } of CASES)
    it(`${alert} fires where it should and nowhere else`, async () => {
      const rule = rules.find((each) => each.alert === alert);
      assert.ok(rule !== undefined);
      const expected = {
        exp_labels: { ...rule.labels, ...labels },
        exp_annotations: rule.annotations,
      };
      const suite = {
        rule_files: [OPERATOR_ALERTS_FILE],
        evaluation_interval: "1m",
        tests: [
          {
            interval: "1m",
            input_series: Object.entries(series).map(([name, values]) => ({
              series: name,
              values,
            })),
            alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: [expected] }],
          },
        ],
      };
      const file = join(folder, `${alert}.yaml`);
      writeFileSync(file, JSON.stringify(suite)); // JSON is YAML
      const { code, stdout, stderr } = await run([tool("promtool"), "test", "rules", file]);
      assert.equal(code, 0, stdout + stderr);
    });

  it("have a case each, and ask for metrics that the operator exports", async () => {
    assert.deepEqual(
      rules.map(({ alert }) => alert),
      CASES.map(({ alert }) => alert),
    );
    const exported = (await new Metrics("1.2.3").registry.getMetricsAsJSON()).map(
      ({ name }) => name,
    );
    const asked = rules.flatMap(({ expr }) => metricsOf(expr));
    assert.deepEqual(
      asked.filter((name) => !exported.includes(name)),
      [],
    );
    assert.ok(asked.length >= 3);
  });
});
