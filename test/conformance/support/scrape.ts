/** The text of a scrape, read back. */

/** One metric: what it is, and every sample's labels and value. */
export interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Of histograms: of all their series, `_bucket`, `_sum` and `_count`, by their full names. */
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Reads `/metrics` of a server. */
export async function scrape(url: string): Promise<ReadonlyMap<string, Metric>> {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${url}/metrics: ${answer.status}`);
  return parseMetrics(await answer.text());
}

export function parseMetrics(text: string): ReadonlyMap<string, Metric> {
  const metrics = new Map<string, { -readonly [K in keyof Metric]: Metric[K] }>();
  const samples = new Map<string, Sample[]>();
  const of = (name: string): { -readonly [K in keyof Metric]: Metric[K] } => {
    let metric = metrics.get(name);
    if (metric === undefined) {
      const own: Sample[] = [];
      samples.set(name, own);
      metric = { name, type: "", help: "", samples: own };
      metrics.set(name, metric);
    }
    return metric;
  };
  for (const line of text.split("\n")) {
    const head = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (head !== null) {
      const [, kind, name = "", rest = ""] = head;
      if (kind === "HELP") of(name).help = rest;
      else of(name).type = rest;
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) continue;
    const [, name = "", labels = "", value = ""] = sample;
    const base = name.replace(/_(bucket|sum|count)$/, "");
    const family = metrics.get(base)?.type === "histogram" ? base : name;
    of(family);
    samples.get(family)?.push({ name, labels: parseLabels(labels), value: toNumber(value) });
  }
  return metrics;
}

function parseLabels(text: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(name, value);
  }
  return labels;
}

function toNumber(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  return text === "-Inf" ? Number.NEGATIVE_INFINITY : Number(text);
}

/** Label names that its samples have, `le` aside. */
export function labelNames(metric: Metric): readonly string[] {
  const names = new Set(metric.samples.flatMap(({ labels }) => [...labels.keys()]));
  names.delete("le");
  return [...names].toSorted();
}

/** Upper bounds of a histogram's buckets, ascending. */
export function bucketBounds(metric: Metric): readonly number[] {
  const bounds = new Set<number>();
  for (const { labels } of metric.samples) {
    const bound = labels.get("le");
    if (bound !== undefined) bounds.add(toNumber(bound));
  }
  return [...bounds].toSorted((a, b) => a - b);
}

/** The value of the one sample with these labels; undefined if there is none. */
export function valueOf(
  metric: Metric | undefined,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  return metric?.samples.find((sample) =>
    Object.entries(labels).every(([name, value]) => sample.labels.get(name) === value),
  )?.value;
}
