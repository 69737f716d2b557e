/** Who owns which field, and what server-side apply makes of it: a small structured merge. */
import { copyOf } from "./copy.ts";
import type { Kind, ListRule } from "./kinds.ts";

export type Tree = Record<string, unknown>;
/** Paths of leaves, of items of merged lists, and of empty maps. */
export type FieldSet = Set<string>;
/** By manager, operation and subresource. */
export type Managers = Map<string, FieldSet>;

/** Between elements of a path: in no name. */
const SEPARATOR = "\u0000";
const NEVER_OWNED: ReadonlySet<string> = new Set([
  "apiVersion",
  "kind",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "metadata.resourceVersion",
  "metadata.generation",
  "metadata.creationTimestamp",
  "metadata.deletionTimestamp",
  "metadata.deletionGracePeriodSeconds",
  "metadata.managedFields",
]);
/** The key of a port that does not say so. */
const KEY_DEFAULTS: Readonly<Record<string, string>> = { protocol: "TCP" };

/** Server-side apply by `owner`, with force. What it applied before and does not now is removed, unless others own it too. */
export function applyFields(
  kind: Kind,
  live: Tree,
  applied: Tree,
  managers: Managers,
  owner: string,
): Tree {
  const before = managers.get(owner) ?? new Set();
  const now = fieldsOf(kind, applied);
  const merged = merge(kind, live, applied, "") as Tree;
  const others = [...managers].filter(([name]) => name !== owner).map(([, fields]) => fields);
  const gone = [...before].filter((path) => !now.has(path));
  // The deepest first, so that an item is judged when its fields are gone.
  for (const path of gone.toSorted((a, b) => depth(b) - depth(a))) {
    const shared = others.some((fields) => fields.has(path) || holdsBelow(fields, path));
    if (!shared && !holdsBelow(now, path)) remove(kind, merged, path.split(SEPARATOR), "");
  }
  const changed = changes(kind, live, merged);
  for (const fields of others) for (const path of changed.keys()) fields.delete(path);
  if (now.size === 0) managers.delete(owner);
  else managers.set(owner, now);
  return merged;
}

/** A write of the whole object by `owner`: what it changed is its own, and nobody else's. */
export function ownChanges(
  kind: Kind,
  before: Tree,
  after: Tree,
  managers: Managers,
  owner: string,
): void {
  const changed = changes(kind, before, after);
  for (const fields of managers.values()) for (const path of changed.keys()) fields.delete(path);
  const own = managers.get(owner) ?? new Set();
  for (const [path, isThere] of changed) if (isThere) own.add(path);
  if (own.size > 0) managers.set(owner, own);
}

/** Paths whose value differs, is new, or is gone, and whether they are there afterwards. */
function changes(kind: Kind, before: Tree, after: Tree): Map<string, boolean> {
  const changed = new Map<string, boolean>();
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (before[name] === after[name]) continue;
    const old = leavesBelow(kind, name, before[name]);
    const now = leavesBelow(kind, name, after[name]);
    for (const [path, value] of now) if (old.get(path) !== value) changed.set(path, true);
    for (const path of old.keys()) if (!now.has(path)) changed.set(path, false);
  }
  return changed;
}

function fieldsOf(kind: Kind, tree: Tree): FieldSet {
  const fields: FieldSet = new Set();
  for (const [name, value] of Object.entries(tree))
    for (const path of leavesBelow(kind, name, value).keys()) fields.add(path);
  return fields;
}

type Leaves = ReadonlyMap<string, string>;

interface Known {
  readonly kind: Kind;
  readonly name: string;
  readonly leaves: Leaves;
}

/** Of what cannot change any more. */
const KNOWN = new WeakMap<object, Known>();

/** Every owned path below a field of the object itself, with its value as text. */
function leavesBelow(kind: Kind, name: string, value: unknown): Leaves {
  const isFixed = typeof value === "object" && value !== null && Object.isFrozen(value);
  const found = isFixed ? KNOWN.get(value) : undefined;
  if (found !== undefined && found.kind === kind && found.name === name) return found.leaves;
  const leaves = new Map<string, string>();
  visit(kind, leaves, value, `f:${name}`, name);
  if (isFixed) KNOWN.set(value, { kind, name, leaves });
  return leaves;
}

function visit(
  kind: Kind,
  leaves: Map<string, string>,
  value: unknown,
  path: string,
  schema: string,
): void {
  if (value === undefined || value === null || NEVER_OWNED.has(schema)) return;
  const rule = kind.lists[schema];
  if (Array.isArray(value) && rule !== undefined) {
    for (const item of value as unknown[]) {
      const at = path + SEPARATOR + elementOf(item, rule);
      leaves.set(at, "");
      // Its keys are the item: they come and go with it.
      if (rule !== "set") visit(kind, leaves, withoutKeys(item as Tree, rule), at, schema);
    }
    return;
  }
  if (isMap(kind, value, schema) && Object.keys(value).length > 0) {
    for (const [name, below] of Object.entries(value))
      visit(kind, leaves, below, `${path}${SEPARATOR}f:${name}`, `${schema}.${name}`);
    return;
  }
  leaves.set(path, JSON.stringify(value));
}

function merge(kind: Kind, live: unknown, applied: unknown, schema: string): unknown {
  const rule = kind.lists[schema];
  if (Array.isArray(applied) && rule !== undefined) {
    return mergeList(kind, Array.isArray(live) ? live : [], applied, schema, rule);
  }
  if (!isMap(kind, applied, schema)) return copyOf(applied);
  const result: Tree = isMap(kind, live, schema) ? { ...live } : {};
  for (const [name, value] of Object.entries(applied)) {
    const at = schema === "" ? name : `${schema}.${name}`;
    if (value === null || value === undefined) delete result[name];
    else result[name] = merge(kind, result[name], value, at);
  }
  return result;
}

function mergeList(
  kind: Kind,
  live: readonly unknown[],
  applied: readonly unknown[],
  schema: string,
  rule: ListRule,
): unknown[] {
  const result = [...live];
  for (const item of applied) {
    const element = elementOf(item, rule);
    const at = result.findIndex((each) => elementOf(each, rule) === element);
    if (at < 0) result.push(copyOf(item));
    else if (rule !== "set") result[at] = mergeItem(kind, result[at], item, schema);
  }
  return result;
}

/** An item is a map even though its path is the list's. */
function mergeItem(kind: Kind, live: unknown, applied: unknown, schema: string): unknown {
  const result: Tree = { ...(live as Tree) };
  for (const [name, value] of Object.entries(applied as Tree)) {
    result[name] = merge(kind, result[name], value, `${schema}.${name}`);
  }
  return result;
}

/** Removes what `path` names from a node of its own; a map or list that held nothing else goes with it. */
function remove(kind: Kind, node: Tree, path: readonly string[], schema: string): void {
  const [head = "", ...rest] = path;
  const name = head.slice(2);
  const at = schema === "" ? name : `${schema}.${name}`;
  if (rest.length === 0) {
    delete node[name];
    return;
  }
  const below = node[name];
  const rule = kind.lists[at];
  if (Array.isArray(below) && rule !== undefined) {
    const items = below as unknown[];
    const [element = "", ...deeper] = rest;
    const index = items.findIndex((item) => elementOf(item, rule) === element);
    if (index < 0) return;
    if (deeper.length === 0) node[name] = items.toSpliced(index, 1);
    else {
      const item = { ...(items[index] as Tree) };
      remove(kind, item, deeper, at);
      node[name] = items.with(index, item);
    }
    if ((node[name] as unknown[]).length === 0) delete node[name];
    return;
  }
  if (typeof below !== "object" || below === null) return;
  const copy = { ...(below as Tree) };
  remove(kind, copy, rest, at);
  if (Object.keys(copy).length === 0) delete node[name];
  else node[name] = copy;
}

function elementOf(item: unknown, rule: ListRule): string {
  if (rule === "set") return `v:${JSON.stringify(item)}`;
  const map = item as Tree;
  const key = rule.keys.map((name) => [name, map[name] ?? KEY_DEFAULTS[name] ?? null]);
  return `k:${JSON.stringify(Object.fromEntries(key))}`;
}

function withoutKeys(item: Tree, { keys }: Exclude<ListRule, "set">): Tree | undefined {
  const rest = Object.entries(item).filter(([name]) => !keys.includes(name));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

function isMap(kind: Kind, value: unknown, schema: string): value is Tree {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !kind.atomic.includes(schema)
  );
}

function holdsBelow(fields: FieldSet, path: string): boolean {
  const prefix = path + SEPARATOR;
  for (const each of fields) if (each.startsWith(prefix)) return true;
  return false;
}

function depth(path: string): number {
  return path.split(SEPARATOR).length;
}
