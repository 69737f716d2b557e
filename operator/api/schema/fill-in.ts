/** Absent fields take what the schema says. Pure, and the same for the API server's part and the operator's. */
import type { Json, JsonObject, Node, ObjectNode } from "./node.ts";

/**
 * `kept`: what the API server puts into the object. `all`: also what only the operator takes (`implied`). As with the API
 * server, a default is filled in inside of objects that are there or come by default themselves, and nowhere else.
 */
export type Extent = "kept" | "all";

/** A copy; what the schema does not know is left as it is. */
export function fillIn(node: ObjectNode, given: JsonObject, extent: Extent): JsonObject {
  const filled: Record<string, Json> = { ...given };
  for (const [name, field] of Object.entries(node.fields)) {
    const value = given[name] ?? defaultOf(field, extent);
    if (value !== undefined) filled[name] = fillInside(field, value, extent);
  }
  return filled;
}

function defaultOf({ value, implied }: Node, extent: Extent): Json | undefined {
  return extent === "all" ? (value ?? implied) : value;
}

function fillInside(node: Node, value: Json, extent: Extent): Json {
  if (node.kind === "object" && isObject(value)) return fillIn(node, value, extent);
  if (node.kind === "list" && Array.isArray(value))
    return (value as readonly Json[]).map((item) => fillInside(node.item, item, extent));
  if (node.kind === "map" && isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, fillInside(node.item, item, extent)]),
    );
  return value;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
