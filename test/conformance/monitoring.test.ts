/** Alert rules and dashboard, judged by promtool and by a Prometheus that scrapes real members. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { ALERT_CASES, type AlertCase, type SeriesValues } from "./support/alert-cases.ts";
import { MemberClient } from "./support/client.ts";
import { Cluster, freePorts } from "./support/cluster.ts";
import { ALERTS_FILE, filledIn, readDashboard, readRules } from "./support/monitoring.ts";
import { run, Running, tool, until } from "./support/tools.ts";

const BAD = "quorate-bad";
const GOOD = "etcd-good";

/** Panels that are empty as long as nothing goes wrong, or where a feature is not used. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([
  "Slow requests, by phase",
  "Followers behind", // empty everywhere but on the leader, and before it has followers
  "Whole states",
  "Certificates",
  "Flushes of the store", // one in half a minute
]);

const folder = mkdtempSync(join(tmpdir(), "conformance-monitoring-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function withJob(job: string, series: SeriesValues): { series: string; values: string }[] {
  return Object.entries(series).map(([name, values]) => ({
    series: name.replace("{", `{job="${job}", `),
    values,
  }));
}

/** One test of promtool's: the alerts of this name that fire are exactly those. */
function ruleTest(of: AlertCase): object {
  const rules = readRules().filter(({ alert }) => alert === of.alert);
  const expected = rules.filter(({ labels }) => of.severities.includes(labels["severity"] ?? ""));
  return {
    interval: "1m",
    input_series: [...withJob(BAD, of.fires), ...withJob(GOOD, of.quiet)],
    alert_rule_test: [
      {
        eval_time: of.at,
        alertname: of.alert,
        exp_alerts: expected.map(({ labels, annotations }) => ({
          exp_labels: { ...labels, ...of.labels, job: BAD },
          exp_annotations: annotations,
        })),
      },
    ],
  };
}

describe("alert rules", () => {
  it("are accepted by promtool", async () => {
    const { code, stdout, stderr } = await run([tool("promtool"), "check", "rules", ALERTS_FILE]);
    assert.equal(code, 0, stdout + stderr);
  });

  it("have a case each, of each severity", () => {
    const covered = ALERT_CASES.flatMap(({ alert, severities }) =>
      severities.map((severity) => `${alert} ${severity}`),
    );
    const rules = readRules().map(({ alert, labels }) => `${alert} ${labels["severity"]}`);
    assert.deepEqual([...new Set(covered)].toSorted(), rules.toSorted());
  });

  for (const [at, each] of ALERT_CASES.entries()) {
    it(`${each.alert} (${each.severities.join(", ")}) fires where it should and nowhere else`, async () => {
      const file = join(folder, `case-${at}.yaml`);
      const suite = {
        rule_files: [ALERTS_FILE],
        evaluation_interval: "1m",
        tests: [ruleTest(each)],
      };
      writeFileSync(file, JSON.stringify(suite)); // JSON is YAML
      const { code, stdout, stderr } = await run([tool("promtool"), "test", "rules", file]);
      assert.equal(code, 0, stdout + stderr);
    });
  }
});

interface QueryResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A Prometheus of its own, on a free port. */
class Prometheus {
  readonly url: string;
  readonly #process: Running;

  private constructor(url: string, process: Running) {
    this.url = url;
    this.#process = process;
  }

  static async start(targets: readonly string[]): Promise<Prometheus> {
    const [port = 0] = await freePorts(1);
    const config = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [ALERTS_FILE],
      scrape_configs: [{ job_name: "quorate", static_configs: [{ targets }] }],
    };
    const file = join(folder, "prometheus.yaml");
    writeFileSync(file, JSON.stringify(config));
    const command = [
      tool("prometheus"),
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const running = new Running(command, { timeoutMs: 300_000 });
    const started = new Prometheus(`http://127.0.0.1:${port}`, running);
    await until(`prometheus is ready: ${running.stderr}`, 20_000, () => started.#isReady());
    return started;
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/-/ready`)).ok;
    } catch {
      return false;
    }
  }

  async #get(path: string): Promise<unknown> {
    const answer = await fetch(`${this.url}${path}`);
    const body = (await answer.json()) as { readonly status: string; readonly data: unknown };
    assert.equal(body.status, "success", `${path}: ${JSON.stringify(body)}`);
    return body.data;
  }

  async query(expression: string): Promise<readonly QueryResult[]> {
    const data = await this.#get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    return (data as { readonly result: readonly QueryResult[] }).result;
  }

  async targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]> {
    const data = await this.#get("/api/v1/targets?state=active");
    return (data as { readonly activeTargets: { health: string; lastError: string }[] })
      .activeTargets;
  }

  async labelValues(selector: string, label: string): Promise<readonly string[]> {
    const match = encodeURIComponent(selector);
    return (await this.#get(`/api/v1/label/${label}/values?match[]=${match}`)) as string[];
  }

  async stop(): Promise<void> {
    this.#process.child.kill("SIGTERM");
    await this.#process.finished;
  }
}

/** More than it takes for one to be timed. */
const RANGES_A_ROUND = 20;

/** A little of everything, twice over some seconds, so that rates are known. */
async function load(cluster: Cluster, seconds: number): Promise<void> {
  const etcdctl = [tool("etcdctl"), `--endpoints=${cluster.endpoints}`];
  const watch = new Running([...etcdctl, "watch", "--prefix", "key"]);
  const end = performance.now() + seconds * 1000;
  for (let at = 0; performance.now() < end; at++) {
    await run([...etcdctl, "put", `key${at}`, "value"]);
    await run([...etcdctl, "get", `key${at}`]);
    await run([...etcdctl, "lease", "grant", "60"]);
    for (const { clientUrl, endpoint } of cluster.members) {
      await fetch(`${clientUrl}/readyz`);
      const client = new MemberClient(endpoint);
      for (let read = 0; read < RANGES_A_ROUND; read++) {
        await client.call("KV/Range", { key: Buffer.from(`key${at}`) });
      }
      client.close();
    }
  }
  watch.child.kill("SIGTERM");
  await watch.finished;
}

describe("a Prometheus that scrapes three members", () => {
  let cluster: Cluster | null = null;
  let prometheus: Prometheus | null = null;
  const started = (): { readonly cluster: Cluster; readonly prometheus: Prometheus } => {
    assert.ok(cluster !== null && prometheus !== null, "both have started");
    return { cluster, prometheus };
  };

  before(async () => {
    const ports = await freePorts(3);
    cluster = await Cluster.start({
      product: "quorate",
      members: 3,
      flags: ["--metrics=extensive"],
      flagsOf: (at) => [`--listen-metrics-urls=http://127.0.0.1:${ports[at] ?? 0}`],
    });
    prometheus = await Prometheus.start(ports.map((port) => `127.0.0.1:${port}`));
    await load(cluster, 12);
  });

  after(async () => {
    await prometheus?.stop();
    await cluster?.stop();
  });

  it("finds every target up, on the metrics URLs", async () => {
    const targets = await started().prometheus.targets();
    assert.deepEqual(
      targets.map(({ health, lastError }) => health + lastError),
      ["up", "up", "up"],
    );
  });

  it("offers the dashboard its variables", async () => {
    const { prometheus: asked } = started();
    for (const { name, definition } of readDashboard().templating.list) {
      const [, selector = "", label = ""] =
        /^label_values\((.*), (\w+)\)$/.exec(definition ?? "") ?? [];
      if (selector === "") continue;
      const values = await asked.labelValues(filledIn(selector), label);
      assert.equal(values.length, name === "cluster" ? 1 : 3, name);
    }
  });

  for (const { title, targets } of readDashboard().panels) {
    for (const { refId, expr } of targets ?? []) {
      it(`has data for the panel '${title}' ${refId}`, async () => {
        const result = await started().prometheus.query(filledIn(expr));
        if (MAY_BE_EMPTY.has(title)) return;
        assert.ok(result.length > 0, expr);
        assert.ok(
          result.some(({ value }) => Number.isFinite(Number(value[1]))),
          `${expr} is a number somewhere`,
        );
      });
    }
  }

  it("raises no alert about a healthy cluster", async () => {
    const firing = await started().prometheus.query('ALERTS{alertstate="firing"}');
    assert.deepEqual(
      firing.map(({ metric }) => metric),
      [],
    );
  });

  it("reads what the members themselves say", async () => {
    const { prometheus: asked } = started();
    const sum = async (expression: string): Promise<number> =>
      Number((await asked.query(expression))[0]?.value[1]);
    assert.equal(await sum("sum(etcd_server_is_leader)"), 1);
    assert.equal(await sum("min(etcd_server_has_leader)"), 1);
    assert.equal(await sum("min(quorate_members)"), 3);
    assert.equal(await sum("count(count by (etcd_cluster_version) (etcd_cluster_version))"), 1);
  });
});
