/** Cases that the schemas themselves name: every word of a choice, both ends of a range, and what lies beyond. */
import { RESOURCE_SCHEMAS } from "../../../../operator/api/schema/catalogue.ts";
import type { IntegerNode, Node, ObjectNode } from "../../../../operator/api/schema/node.ts";
import { Table } from "./bases.ts";
import type { Case, Edits } from "./case.ts";

/** Words that another field must go with. */
const COMPANIONS: Readonly<Record<string, Edits>> = {
  "server.autoCompaction.mode=Revision": { "server.autoCompaction.retention": "100" },
};

export function schemaCases(): readonly Case[] {
  return RESOURCE_SCHEMAS.flatMap(({ resource, spec }) => {
    const table = new Table(resource);
    walk(table, spec, "");
    return table.cases;
  });
}

/** Objects that may be absent and need more than one field are left to the tables that are written out. */
function walk(table: Table, node: ObjectNode, path: string): void {
  for (const [name, field] of Object.entries(node.fields)) {
    const at = path === "" ? name : `${path}.${name}`;
    if (field.kind === "object") {
      if (field.required === true || !isUnion(field)) walk(table, field, at);
    } else judge(table, field, at);
  }
}

function isUnion({ fields, rules }: ObjectNode): boolean {
  const needs = Object.values(fields).some(({ required }) => required === true);
  return needs || (rules ?? []).some(({ rule }) => rule.includes("has(self."));
}

function judge(table: Table, node: Node, path: string): void {
  const kind = table.resource.kind;
  if (node.kind === "string" && node.enum !== undefined) {
    for (const word of node.enum)
      table.accept(`${kind} ${path}: ${word}`, { [path]: word, ...COMPANIONS[`${path}=${word}`] });
    refuse(table, path, "Nonsense", "supported values: ");
  }
  if (node.kind === "integer") judgeRange(table, node, path);
  if (node.kind === "boolean") refuse(table, path, "yes", "must be of type boolean");
  if (node.kind === "string" && node.pattern !== undefined)
    refuse(table, path, "?", node.pattern.says);
  if (node.kind === "string" && node.maxLength !== undefined && node.enum === undefined)
    refuse(
      table,
      path,
      "x".repeat(node.maxLength + 1),
      `may not be more than ${node.maxLength} bytes`,
    );
}

function judgeRange(table: Table, { minimum, maximum }: IntegerNode, path: string): void {
  const kind = table.resource.kind;
  if (minimum !== undefined) {
    table.accept(`${kind} ${path}: ${minimum}`, { [path]: minimum });
    refuse(table, path, minimum - 1, `should be greater than or equal to ${minimum}`);
  }
  if (maximum !== undefined) {
    table.accept(`${kind} ${path}: ${maximum}`, { [path]: maximum });
    refuse(table, path, maximum + 1, `should be less than or equal to ${maximum}`);
  }
}

function refuse(table: Table, path: string, value: string | number, says: string): void {
  const shown = String(value).slice(0, 20);
  const claim = `${table.resource.kind} ${path}: not ${shown}`;
  table.refuse(claim, { [path]: value }, `spec.${path}`, says);
}

/** Of every object that can be reached so: a field that is misspelt. */
export function misspellings(): readonly { readonly judged: Case; readonly path: string }[] {
  return RESOURCE_SCHEMAS.flatMap(({ resource, spec }) => {
    const table = new Table(resource);
    const paths = objectsIn(spec, "");
    for (const path of paths) table.accept(path, { [`${path}misspelt`]: 1 });
    return table.cases.map((judged, at) => ({ judged, path: `spec.${paths[at] ?? ""}misspelt` }));
  });
}

function objectsIn(node: ObjectNode, prefix: string): string[] {
  const inner = Object.entries(node.fields).flatMap(([name, field]) =>
    field.kind === "object" && (field.required === true || !isUnion(field))
      ? objectsIn(field, `${prefix}${name}.`)
      : [],
  );
  return [prefix, ...inner];
}
