import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { generate } from "../../../../operator/api/generate/generate.ts";

const root = join(import.meta.dirname, "../../../..");

describe("generate", () => {
  for (const [path, text] of generate()) {
    it(`${path} is what the schemas say; if not, \`npm run generate\``, () => {
      assert.equal(readFileSync(join(root, path), "utf8"), text);
    });
  }
});
