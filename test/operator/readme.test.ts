/** What README.md tells people to type about the operator is what there is. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { RESOURCE_SCHEMAS } from "../../operator/api/schema/catalogue.ts";
import type { Node } from "../../operator/api/schema/node.ts";
import { ROTATE_ANNOTATION } from "../../operator/cluster/operation/authority.ts";
import { RETRY_ANNOTATION } from "../../operator/cluster/operation/failed-roll.ts";
import { clusterNames } from "../../operator/cluster/names.ts";
import { readArguments } from "../../operator/plugin/arguments.ts";
import { ROOT } from "../house/scan.ts";

const TEXT = readFileSync(join(ROOT, "README.md"), "utf8");
const SECTION = /^## On Kubernetes\n[\s\S]*?(?=^## )/m.exec(TEXT)?.[0] ?? "";
const LINES = [...SECTION.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, code = ""]) =>
  code.split("\n").map((line) => line.replace(/\s+# .*$/, "")),
);

/** Fields of a value that the schema does not have, or that hold something else. */
function unknown(value: unknown, node: Node | undefined, path: string): string[] {
  if (node === undefined) return [path];
  if (node.kind === "opaque") return [];
  if (node.kind !== "object") return typeof value === "object" ? [path] : [];
  if (value === null || typeof value !== "object") return [path];
  return Object.entries(value).flatMap(([name, held]) =>
    unknown(held, node.fields[name], `${path}.${name}`),
  );
}

function specOf(kind: string): Node | undefined {
  return RESOURCE_SCHEMAS.find(({ resource }) => resource.kind === kind)?.spec;
}

describe("README.md on the operator", () => {
  it("has commands of the plugin that the plugin takes", () => {
    const commands = LINES.filter((line) => line.startsWith("kubectl quorate "));
    assert.ok(commands.length >= 10);
    for (const command of commands) readArguments(command.split(/\s+/).slice(2));
  });

  it("patches fields that there are", () => {
    const patches = LINES.flatMap(
      (line) => /kubectl patch qc kv .* -p '(.*)'/.exec(line)?.[1] ?? [],
    );
    assert.ok(patches.length >= 4);
    for (const patch of patches) {
      const { spec, ...rest } = JSON.parse(patch) as { spec: object };
      assert.deepEqual(unknown(spec, specOf("QuorateCluster"), "spec"), [], patch);
      assert.deepEqual(rest, {});
    }
  });

  it("has a cluster that the schema knows", () => {
    const [, manifest = ""] = /<<END\n([\s\S]*?)^END/m.exec(SECTION) ?? [];
    const cluster = parse(manifest) as { kind: string; spec: object };
    assert.equal(cluster.kind, "QuorateCluster");
    assert.deepEqual(unknown(cluster.spec, specOf(cluster.kind), "spec"), []);
    assert.deepEqual(unknown({ replica: 3 }, specOf(cluster.kind), "spec"), ["spec.replica"]);
  });

  it("names files, objects and annotations as they are called", () => {
    const paths = SECTION.matchAll(/(?:manifests|charts)\/[\w./-]*\w/g);
    for (const [path] of paths) assert.ok(existsSync(join(ROOT, path)), path);
    const { clientService, clientTls, authority } = clusterNames("kv");
    for (const name of [clientService, clientTls, authority, ROTATE_ANNOTATION, RETRY_ANNOTATION])
      assert.ok(SECTION.includes(name), name);
  });
});
