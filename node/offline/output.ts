/** What commands print: results on the standard output in one of three forms, progress on the standard error. */
import type { CommandIo } from "../commands.ts";
import { type Arguments, type Option, refusal } from "./arguments.ts";

export type Format = "simple" | "table" | "json";
const FORMATS: ReadonlySet<string> = new Set(["simple", "table", "json"]);

/** The flag that chooses the form, as etcd's tools have it. */
export const FORMAT_OPTIONS: Readonly<Record<string, Option>> = {
  "write-out": { kind: "text", short: "w", value: "FORM", help: "simple, table or json" },
  output: { kind: "text", short: "o", value: "FORM", help: "the same" },
};

/** Throws "configuration" for a form that is none. */
export function formatOf(args: Arguments): Format {
  const text = args.text("output") ?? args.text("write-out") ?? "simple";
  if (FORMATS.has(text)) return text as Format;
  throw refusal(`--write-out=${text} is not one of ${[...FORMATS].join(", ")}`);
}

/** One result in all forms. */
export interface Result {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** 64-bit ids as strings. */
  readonly json: object;
}

export function printResult(io: CommandIo, format: Format, { header, rows, json }: Result): void {
  switch (format) {
    case "json":
      io.stdout.write(`${JSON.stringify(json)}\n`);
      return;
    case "table":
      io.stdout.write(tableText(header, rows));
      return;
    default:
      for (const row of rows) io.stdout.write(`${row.join(", ")}\n`);
  }
}

function tableText(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const titles = header.map((title) => title.toUpperCase());
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${widths.map((width, column) => ` ${pad(cells[column] ?? "", width)} `).join("|")}|\n`;
  const body = rows.map((row) => line(row, (cell, width) => cell.padStart(width))).join("");
  return `${rule}${line(titles, centred)}${rule}${body}${rule}`;
}

function centred(cell: string, width: number): string {
  return cell.padStart(cell.length + Math.floor((width - cell.length) / 2)).padEnd(width);
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Bytes for people, as etcd's tools write them: 35 MB. */
export function sizeText(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[power] ?? ""}`;
}

/** Told of long work; shows it where somebody looks, and says nothing where nobody does. */
export class Progress {
  readonly #io: CommandIo;
  readonly #label: string;
  readonly #total: number;
  #done = 0;
  #shownAt = 0;
  #shown = false;

  /** `total` in bytes. */
  constructor(io: CommandIo, label: string, total: number) {
    this.#io = io;
    this.#label = label;
    this.#total = total;
  }

  /** So many further bytes are done. Throws what aborted the command. */
  add(bytes: number): void {
    this.#io.signal.throwIfAborted();
    this.#done += bytes;
    const now = performance.now();
    if (!this.#io.isTerminal || now - this.#shownAt < SHOWN_EVERY_MS) return;
    this.#shownAt = now;
    this.#shown = true;
    const percent = Math.min(100, Math.floor((this.#done / Math.max(1, this.#total)) * 100));
    const text = `${this.#label}: ${sizeText(this.#done)} of ${sizeText(this.#total)}, ${percent} %`;
    this.#io.stderr.write(`\r${text.padEnd(LINE_COLUMNS)}`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#shown) this.#io.stderr.write(`\r${" ".repeat(LINE_COLUMNS)}\r`);
    this.#shown = false;
  }
}

const SHOWN_EVERY_MS = 200;
const LINE_COLUMNS = 70;
