/** The dashboard and the alert rules as data. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

export const DASHBOARD_FILE: string = fileURLToPath(
  new URL("../../../manifests/monitoring/dashboard.json", import.meta.url),
);
export const ALERTS_FILE: string = fileURLToPath(
  new URL("../../../manifests/monitoring/alerts.yaml", import.meta.url),
);
export const OPERATOR_ALERTS_FILE: string = fileURLToPath(
  new URL("../../../manifests/monitoring/operator-alerts.yaml", import.meta.url),
);

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly h: number;
    readonly w: number;
    readonly x: number;
    readonly y: number;
  };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[];
  };
  readonly panels: readonly Panel[];
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(DASHBOARD_FILE, "utf8")) as Dashboard;
}

export function readRules(path: string = ALERTS_FILE): readonly Rule[] {
  const file = parse(readFileSync(path, "utf8")) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  return file.groups.flatMap(({ rules }) => rules);
}

/** Names of the metrics that an expression selects; every selector of ours has braces. */
export function metricsOf(expression: string): string[] {
  const selected = [...expression.matchAll(/([a-zA-Z_:][\w:]*)\{/g)].map(([, name = ""]) => name);
  return selected.filter((name) => name !== "up");
}

/** As Grafana sends it for every cluster and member. */
export function filledIn(expression: string): string {
  return expression
    .replaceAll("$cluster", ".*")
    .replaceAll("$instance", ".*")
    .replaceAll("$__rate_interval", "1m");
}
