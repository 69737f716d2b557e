import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { chartFiles } from "../../operator/deploy/chart-files.ts";
import { ROOT } from "../house/scan.ts";

describe("the chart's files", () => {
  const made = chartFiles(ROOT);

  it("are what `npm run generate` makes of the rules, the definitions and the monitoring", () => {
    for (const [path, text] of made)
      assert.equal(readFileSync(join(ROOT, path), "utf8"), text, `run npm run generate: ${path}`);
  });

  it("come with a chart that asks for the Kubernetes that the documents name", () => {
    const text = (path: string): string => readFileSync(join(ROOT, path), "utf8");
    const chart = /^kubeVersion: ">=(1\.\d+)\.0-0"$/m.exec(
      text("charts/quorate-operator/Chart.yaml"),
    );
    for (const path of ["README.md", "operator/api/README.md"])
      assert.match(text(path), new RegExp(`Kubernetes\\s${chart?.[1]} or newer`), path);
  });

  it("hold nothing that is not made any more", () => {
    const folder = "charts/quorate-operator/files";
    const found = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
    assert.deepEqual(found.toSorted(), [...made.keys()].toSorted());
  });
});
