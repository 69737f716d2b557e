/** What every schema must be, whatever it says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FLAGS, REFUSED_FLAGS } from "../../../../node/flags.ts";
import { OWNED_FLAGS } from "../../../../operator/api/owned-flags.ts";
import { RESOURCE_SCHEMAS } from "../../../../operator/api/schema/catalogue.ts";
import type { Node, Rule } from "../../../../operator/api/schema/node.ts";

/** Every node of every resource with its path. */
const NODES: readonly (readonly [string, Node])[] = RESOURCE_SCHEMAS.flatMap((schema) => [
  ...nodesOf(schema.spec, `${schema.resource.kind}.spec`),
  ...nodesOf(schema.status, `${schema.resource.kind}.status`),
]);

function nodesOf(node: Node, path: string): (readonly [string, Node])[] {
  if (node.kind === "list" || node.kind === "map")
    return [[path, node], ...nodesOf(node.item, `${path}[]`)];
  if (node.kind !== "object") return [[path, node]];
  const fields = Object.entries(node.fields);
  return [[path, node], ...fields.flatMap(([name, field]) => nodesOf(field, `${path}.${name}`))];
}

function rules(): Rule[] {
  return [
    ...RESOURCE_SCHEMAS.flatMap((schema) => schema.rules),
    ...NODES.flatMap(([, node]) => node.rules ?? []),
  ];
}

describe("the schemas", () => {
  it("there are five resources with hundreds of fields", () => {
    assert.equal(RESOURCE_SCHEMAS.length, 5);
    assert.ok(NODES.length > 250, `${NODES.length}`);
  });

  it("every field is documented, in a sentence", () => {
    const wrong = NODES.filter(([, { doc }]) => !/^[A-Z"a-z].*\.$/.test(doc) || doc.length < 10);
    assert.deepEqual(
      wrong.map(([path]) => path),
      [],
    );
  });

  it("every string is bounded, so that the cost of rules is", () => {
    const unbounded = NODES.filter(
      ([, node]) =>
        node.kind === "string" &&
        node.enum === undefined &&
        node.format === undefined &&
        node.maxLength === undefined,
    );
    assert.deepEqual(
      unbounded.map(([path]) => path),
      [],
    );
  });

  it("every default is one that the field accepts", () => {
    for (const [path, node] of NODES) {
      if (node.kind === "string" && typeof node.value === "string") {
        assert.ok(node.enum?.includes(node.value) ?? true, path);
        if (node.pattern !== undefined)
          assert.match(node.value, new RegExp(node.pattern.regex), path);
      }
      if (node.kind === "integer" && typeof node.value === "number") {
        assert.ok(
          node.value >= (node.minimum ?? 0) && node.value <= (node.maximum ?? Infinity),
          path,
        );
      }
      assert.ok(node.required === undefined || node.value === undefined, `${path} is both`);
    }
  });

  it("a message shows only examples that the pattern accepts", () => {
    let shown = 0;
    for (const [path, node] of NODES) {
      if (node.kind !== "string" || node.pattern === undefined) continue;
      for (const [, example] of node.pattern.says.matchAll(/"([^"]+)"/g)) {
        shown++;
        assert.match(example ?? "", new RegExp(node.pattern.regex), path);
      }
    }
    assert.ok(shown > 20, `${shown}`);
  });

  it("a rule says in a sentence of one line what to do", () => {
    for (const { rule, message } of rules()) {
      assert.doesNotMatch(rule + message, /\n/);
      assert.ok(message.length >= 20 && message.length <= 2048, message);
    }
    assert.ok(rules().length > 25);
  });
});

describe("the flags that the operator owns", () => {
  it("are flags, each once", () => {
    const absent = OWNED_FLAGS.filter((name) => !FLAGS.has(name) && !REFUSED_FLAGS.has(name));
    assert.deepEqual(
      absent.filter((name) => name !== "boot-dir"),
      [],
    );
    assert.equal(new Set(OWNED_FLAGS).size, OWNED_FLAGS.length);
  });

  it("are all that name files, addresses, and the other members", () => {
    const free = [...FLAGS.keys()].filter((name) => !OWNED_FLAGS.includes(name));
    const suspects = free.filter((name) =>
      /-file$|-urls?$|-dir$|^initial-cluster|-tls$/.test(name),
    );
    // A revocation list is a file that podTemplate mounts.
    assert.deepEqual(
      suspects.filter((name) => !name.endsWith("-crl-file")),
      [],
    );
  });
});
