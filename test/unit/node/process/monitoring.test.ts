/** Dashboard, alerts and the documented table speak of metrics that a member really exports. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import {
  filledIn,
  metricsOf,
  readDashboard,
  readRules,
} from "../../../conformance/support/monitoring.ts";
import {
  labelNames,
  type Metric,
  parseMetrics,
  scrape,
  valueOf,
} from "../../../conformance/support/scrape.ts";
import { Cluster, freePorts } from "../../../conformance/support/cluster.ts";
import { Pki } from "../../../conformance/support/tls.ts";
import { QUICK, withMembers } from "./support.ts";

/** Names of series to names of metrics. */
function withoutSuffixes(names: readonly string[], known: ReadonlySet<string>): string[] {
  return names.map((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    return known.has(base) ? base : name;
  });
}

/** The rows of ARCHITECTURE.md that document metrics, as they are written. */
function documentedRows(): string[] {
  const text = readFileSync(new URL("../../../../ARCHITECTURE.md", import.meta.url), "utf8");
  return text.split("\n").filter((line) => line.startsWith("| `quorate_"));
}

function rowOf(metric: Metric): string {
  const labels = labelNames(metric);
  const named = labels.length === 0 ? metric.name : `${metric.name}{${labels.join(",")}}`;
  return `| \`${named}\` | ${metric.type} | ${metric.help} |`;
}

/** Labels come with samples, and some have none as long as nothing happens: then any are right. */
function fits(row: string, metric: Metric): boolean {
  if (metric.samples.length > 0) return row === rowOf(metric);
  return row.replace(/\{[^}]*\}/, "") === rowOf(metric);
}

describe("what watches a member", () => {
  it("asks for metrics that exist, and the documentation has each of our own", async () => {
    await withMembers(2, ["--metrics=extensive"], async (cluster) => {
      const metrics = await scrape(cluster.member(0).clientUrl);
      const known = new Set(metrics.keys());
      const panels = readDashboard().panels.flatMap(({ targets }) => targets ?? []);
      const asked = [...panels, ...readRules()].flatMap(({ expr }) => metricsOf(filledIn(expr)));
      assert.ok(asked.length > 100, "the expressions were read");
      const unknown = withoutSuffixes(asked, known).filter((name) => !known.has(name));
      assert.deepEqual([...new Set(unknown)], []);

      const own = [...metrics.values()].filter(({ name }) => name.startsWith("quorate_"));
      const rows = documentedRows();
      const missing = own.filter((metric) => !rows.some((row) => fits(row, metric)));
      assert.equal(missing.map(rowOf).join("\n"), "", "rows that ARCHITECTURE.md should have");
      assert.equal(rows.length, own.length, "it has no others");
    });
  });

  it("gets metrics and health over TLS, on URLs of their own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-metrics-"));
    const [port = 0] = await freePorts(1);
    const url = `https://127.0.0.1:${port}`;
    const tls = new Pki(folder);
    const flags = [...QUICK, `--listen-metrics-urls=${url}`];
    const cluster = await Cluster.start({ product: "quorate", members: 1, flags, tls });
    try {
      const metrics = parseMetrics((await tls.get(`${url}/metrics`)).body);
      assert.equal(valueOf(metrics.get("etcd_server_has_leader")), 1);
      const days = (valueOf(metrics.get("quorate_tls_certificate_expiry_seconds")) ?? 0) / 86_400;
      assert.ok(days > 0, "the certificate's end is told");
      assert.match((await tls.get(`${url}/health`)).body, /"health":"true"/);
      await assert.rejects(fetch(url.replace("https", "http")), "plaintext is not spoken there");
    } finally {
      await cluster.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it("is laid out without overlap, and each panel is told apart", () => {
    const { panels, title, uid } = readDashboard();
    assert.deepEqual([title, uid], ["Quorate", "quorate"]);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    assert.equal(new Set(panels.map((panel) => panel.title)).size, panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title: name } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, name);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x},${y}`), `${name} overlaps another panel`);
          taken.add(`${x},${y}`);
        }
      }
    }
  });
});
