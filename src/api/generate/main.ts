/**
 * `npm run generate`: src/api/proto/*.proto -> src/api/gen/*.ts. The output is committed; a test compares it with what the
 * definitions say today.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "./generate.ts";

const api = join(import.meta.dirname, "..");
mkdirSync(join(api, "gen"), { recursive: true });
for (const [name, text] of generate(join(api, "proto"))) {
  writeFileSync(join(api, "gen", name), text);
}
