/** Metrics whose values live elsewhere as plain numbers, in the shape that a prom-client registry prints. */
import type { Registry } from "prom-client";
import type { HandHistogram } from "./histogram.ts";

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

interface ExposedValue {
  readonly labels: Labels | Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** What prom-client asks of a metric when it prints one. */
interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): Promise<Omit<Exposed, "get"> & { readonly values: readonly ExposedValue[] }>;
}

function register(
  registry: Registry,
  name: string,
  help: string,
  type: string,
  values: () => readonly ExposedValue[],
): void {
  const facts = { name, help, type, aggregator: "sum" };
  const metric: Exposed = {
    ...facts,
    get: () => Promise.resolve({ ...facts, values: values() }),
  };
  registry.registerMetric(metric as unknown as Parameters<Registry["registerMetric"]>[0]);
}

/** A gauge or counter without labels, read at the scrape. */
export function expose(
  registry: Registry,
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: () => number,
): void {
  register(registry, name, help, type, () => [{ labels: {}, value: read() }]);
}

/** One with labels: as many samples as there are now. */
export function exposeLabelled(
  registry: Registry,
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: () => Iterable<Sample>,
): void {
  register(registry, name, help, type, () =>
    Array.from(read(), ([labels, value]) => ({ labels, value })),
  );
}

/** Histograms kept by hand, by labels. */
export function exposeHistograms(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: Labels, histogram: HandHistogram]>,
): void {
  register(registry, name, help, "histogram", () =>
    Array.from(read(), ([labels, histogram]) => histogramValues(name, labels, histogram)).flat(),
  );
}

function histogramValues(name: string, labels: Labels, of: HandHistogram): ExposedValue[] {
  const values: ExposedValue[] = [];
  let cumulative = 0;
  for (const [at, bound] of of.bounds.entries()) {
    cumulative += of.counts[at] ?? 0;
    values.push({
      labels: { le: bound, ...labels },
      value: cumulative,
      metricName: `${name}_bucket`,
    });
  }
  values.push({ labels: { le: "+Inf", ...labels }, value: of.count, metricName: `${name}_bucket` });
  values.push({ labels, value: of.sum, metricName: `${name}_sum` });
  values.push({ labels, value: of.count, metricName: `${name}_count` });
  return values;
}
