/** Values as JSON has them: what is undefined is not there, and names have no order. A pass compares some hundred of them. */

/** The value's JSON with its names in order; of values as JSON gives them, so of nothing with a `toJSON`. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const held = value as Readonly<Record<string, unknown>>;
  const parts: string[] = [];
  for (const name of Object.keys(held).toSorted())
    if (held[name] !== undefined)
      parts.push(`${JSON.stringify(name)}:${canonicalJson(held[name])}`);
  return `{${parts.join(",")}}`;
}

/** Whether two values have the same `canonicalJson`. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((each, at) => isSameJson(each, b[at]));
  }
  const one = a as Readonly<Record<string, unknown>>;
  const other = b as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(one)) if (!isSameJson(one[name], other[name])) return false;
  return Object.keys(other).every((name) => other[name] === undefined || one[name] !== undefined);
}
