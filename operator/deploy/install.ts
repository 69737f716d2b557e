/**
 * `npm run generate:install`: the chart with its defaults -> manifests/install.yaml, for `kubectl apply --server-side -f`. Needs
 * helm on PATH. The output is committed; test/conformance/chart.test.ts compares it.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { INSTALL_PATH, installManifest, templateArguments } from "./install-manifest.ts";

const root = join(import.meta.dirname, "../..");
const rendered = execFileSync("helm", templateArguments(root), { encoding: "utf8" });
writeFileSync(join(root, INSTALL_PATH), installManifest(rendered));
