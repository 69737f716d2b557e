/** A field that nobody reads is an edit that is silently ignored. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RESOURCE_SCHEMAS } from "../../../../operator/api/schema/catalogue.ts";
import type { Node } from "../../../../operator/api/schema/node.ts";
import { readTree } from "../../../house/scan.ts";

/** What is decided by its presence, by the API server, or has one value. */
const UNREAD: ReadonlySet<string> = new Set(["operatorCA", "evenReplicas", "onQuorumLoss"]);

/** The operator beside its schemas, without comments and texts. */
const CODE = readTree(["operator"], /\.ts$/)
  .filter(({ path }) => !path.startsWith("operator/api/"))
  .map(({ text }) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, ""))
  .join("\n")
  .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');

/** Names of the fields that no code reads: neither as `.name` nor out of an object's pattern. */
function unread(node: Node, path: string, code: string): string[] {
  if (node.kind === "list" || node.kind === "map") return unread(node.item, path, code);
  if (node.kind !== "object") return [];
  return Object.entries(node.fields).flatMap(([name, field]) => {
    const reads = new RegExp(`(\\.|[{,]\\s*)${name}\\b`);
    const own = reads.test(code) || UNREAD.has(name) ? [] : [`${path}.${name}`];
    return [...own, ...unread(field, `${path}.${name}`, code)];
  });
}

describe("every field of a spec", () => {
  for (const { resource, spec } of RESOURCE_SCHEMAS)
    it(`of ${resource.kind} is read by the operator`, () => {
      assert.deepEqual(unread(spec, resource.kind, CODE), []);
    });

  it("is missed where only a comment or a longer name has it", () => {
    const node: Node = {
      kind: "object",
      name: "A",
      doc: "",
      fields: { paused: { kind: "boolean", doc: "" }, size: { kind: "string", doc: "" } },
    };
    assert.deepEqual(unread(node, "A", "spec.pausedFor; const { size } = storage;"), ["A.paused"]);
  });
});
