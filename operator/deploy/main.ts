/** `npm run generate`: what the chart holds of files that are kept elsewhere. The output is committed; a test compares it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chartFiles } from "./chart-files.ts";

const root = join(import.meta.dirname, "../..");
for (const [path, text] of chartFiles(root)) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
