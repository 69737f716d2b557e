/**
 * `npm run generate`: operator/api/schema -> operator/api/gen, operator/api/REFERENCE.md and manifests/crd. The output is
 * committed; a test compares it with what the schemas say today.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generate } from "./generate.ts";

const root = join(import.meta.dirname, "../../..");
for (const [path, text] of generate()) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
