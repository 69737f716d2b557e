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
  exposition.add(name, help, type, (lines) => {
    for (const [labels, value] of read()) {
      lines.push(`${name}{${labelText(labels)}} ${toText(value)}`);
    }
  });
}

/** Histograms kept by hand, by labels. */
export function exposeHistograms(
  exposition: Exposition,
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: Labels, histogram: HandHistogram]>,
): void {
  exposition.add(name, help, "histogram", (lines) => {
    for (const [labels, histogram] of read()) writeHistogram(lines, name, labels, histogram);
  });
}

function writeHistogram(lines: string[], name: string, labels: Labels, of: HandHistogram): void {
  const own = labelText(labels);
  const before = own === "" ? "" : `${own},`;
  let cumulative = 0;
  for (const [at, bound] of of.bounds.entries()) {
    cumulative += of.counts[at] ?? 0;
    lines.push(`${name}_bucket{${before}le="${bound}"} ${cumulative}`);
  }
  const braced = own === "" ? "" : `{${own}}`;
  lines.push(
    `${name}_bucket{${before}le="+Inf"} ${of.count}`,
    `${name}_sum${braced} ${toText(of.sum)}`,
    `${name}_count${braced} ${of.count}`,
  );
}

/** Rendered once for each object: who keeps its labels pays once. */
const LABEL_TEXTS = new WeakMap<Labels, string>();

function labelText(labels: Labels): string {
  let text = LABEL_TEXTS.get(labels);
  if (text === undefined) {
    text = Object.entries(labels)
      .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
      .join(",");
    LABEL_TEXTS.set(labels, text);
  }
  return text;
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
