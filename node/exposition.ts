/**
 * Prometheus' text format. Values live elsewhere as plain numbers and are read at the scrape, which therefore costs what
 * printing costs: some microseconds a family.
 */
import type { HandHistogram } from "./histogram.ts";

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

interface Family {
  readonly name: string;
  readonly head: string;
  /** Appends the samples, one line each. */
  readonly write: (lines: string[]) => void;
}

/** The metrics of one member, in the order in which they were added. */
export class Exposition {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #families = new Map<string, Family>();
  readonly #others: () => Promise<string>;

  /** `others` answers further families as text: those that a library keeps. */
  constructor(others: () => Promise<string> = () => Promise.resolve("")) {
    this.#others = others;
  }

  get names(): readonly string[] {
    return [...this.#families.keys()];
  }

  /** Throws where the name is taken. `write` appends one line for each sample. */
  add(name: string, help: string, type: string, write: (lines: string[]) => void): void {
    if (this.#families.has(name)) throw new Error(`metric ${name} is exposed twice`);
    const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}`;
    this.#families.set(name, { name, head, write });
  }

  /** Everything, as a scrape is answered. */
  async metrics(): Promise<string> {
    const others = await this.#others();
    const lines: string[] = [];
    for (const { head, write } of this.#families.values()) {
      lines.push(head);
      write(lines);
    }
    lines.push(others);
    return lines.join("\n");
  }
}

/** A gauge or counter without labels, read at the scrape. */
export function expose(
  exposition: Exposition,
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: () => number,
): void {
  exposition.add(name, help, type, (lines) => {
    lines.push(`${name} ${toText(read())}`);
  });
}

/** One with labels: as many samples as there are now. */
export function exposeLabelled(
  exposition: Exposition,
  type: "gauge" | "counter",
  name: string,
  help: string,
  read: () => Iterable<Sample>,
): void {
  const heads = new Rendered((labels) => `${name}{${labelText(labels)}} `);
  exposition.add(name, help, type, (lines) => {
    for (const [labels, value] of read()) lines.push(heads.of(labels) + toText(value));
  });
}

/** Histograms kept by hand, by labels. */
export function exposeHistograms(
  exposition: Exposition,
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: Labels, histogram: HandHistogram]>,
): void {
  const heads = new Rendered((labels) => new HistogramHeads(name, labels));
  exposition.add(name, help, "histogram", (lines) => {
    for (const [labels, histogram] of read()) writeHistogram(lines, heads.of(labels), histogram);
  });
}

/** What stays the same at each scrape, by the labels' object: who keeps its labels has them rendered once. */
class Rendered<T> {
  readonly #render: (labels: Labels) => T;
  readonly #known = new WeakMap<Labels, T>();

  constructor(render: (labels: Labels) => T) {
    this.#render = render;
  }

  of(labels: Labels): T {
    let rendered = this.#known.get(labels);
    if (rendered === undefined) {
      rendered = this.#render(labels);
      this.#known.set(labels, rendered);
    }
    return rendered;
  }
}

/** The lines of one histogram up to their values. */
class HistogramHeads {
  readonly #before: string;
  readonly #buckets: string[] = [];
  readonly infinite: string;
  readonly sum: string;
  readonly count: string;

  constructor(name: string, labels: Labels) {
    const own = labelText(labels);
    const braced = own === "" ? "" : `{${own}}`;
    this.#before = `${name}_bucket{${own === "" ? "" : `${own},`}le="`;
    this.infinite = `${this.#before}+Inf"} `;
    this.sum = `${name}_sum${braced} `;
    this.count = `${name}_count${braced} `;
  }

  /** Of the bucket at `at`, whose bound never changes. */
  bucket(at: number, bound: number): string {
    return (this.#buckets[at] ??= `${this.#before}${bound}"} `);
  }
}

function writeHistogram(lines: string[], heads: HistogramHeads, of: HandHistogram): void {
  const { bounds, counts } = of;
  let cumulative = 0;
  for (let at = 0; at < bounds.length; at++) {
    cumulative += counts[at] ?? 0;
    lines.push(heads.bucket(at, bounds[at] ?? 0) + cumulative);
  }
  lines.push(heads.infinite + of.count, heads.sum + toText(of.sum), heads.count + of.count);
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(",");
}

function toText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
