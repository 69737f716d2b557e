/** Helm, which judges and renders the chart. */
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ROOT } from "../../house/scan.ts";
import { type Finished, run, tool } from "./tools.ts";

export const CHART: string = join(ROOT, "charts/quorate-operator");

/** Any object of a rendering, as JSON has it. */
export interface Rendered {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** `helm ARGS`, whatever comes of it. */
export async function helm(...args: string[]): Promise<Finished> {
  return await run([tool("helm"), ...args]);
}

/** What the release `quorate` in the namespace `quorate-system` would be with these values; throws helm's words. */
export async function render(...values: string[]): Promise<string> {
  const flags = ["--namespace=quorate-system", "--kube-version=1.36"];
  const set = values.map((value) => `--set-json=${value}`);
  const { code, stdout, stderr } = await helm("template", "quorate", CHART, ...flags, ...set);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function objectsOf(rendered: string): Rendered[] {
  return parseAllDocuments(rendered)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}
