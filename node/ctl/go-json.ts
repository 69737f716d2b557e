/** Messages as Go prints etcd's structs in JSON: names of the .proto files, nothing that is zero, bytes in base64. */
import { MESSAGES } from "../../src/api/gen/registry.ts";
import type { FieldSpec } from "../../src/api/method.ts";
import { present } from "../../src/base/assert.ts";

/** One line of JSON. `name` is the message's in `gen/registry.ts`. */
export function messageJson(name: string, message: object): string {
  const { fields } = present(MESSAGES[name], "the message is one of the protocol's");
  const record = message as Readonly<Record<string, unknown>>;
  const parts: string[] = [];
  const oneofs = new Set<string>();
  for (const field of fields) {
    if (field.oneof === null) {
      const value = record[field.property];
      if (!isZero(value)) parts.push(`"${field.name}":${valueJson(field, value)}`);
    } else if (!oneofs.has(field.oneof)) {
      oneofs.add(field.oneof);
      parts.push(...oneofJson(fields, field.oneof, record));
    }
  }
  return `{${parts.join(",")}}`;
}

/** Go keeps a choice in a field of its own, named in capitals. */
function oneofJson(
  fields: readonly FieldSpec[],
  oneof: string,
  record: Readonly<Record<string, unknown>>,
): string[] {
  const chosen = record[oneof] as { readonly kind: string; readonly value: unknown } | null;
  const field = fields.find(({ property }) => property === chosen?.kind);
  if (chosen === null || field === undefined) return [];
  const name = oneof.charAt(0).toUpperCase() + oneof.slice(1);
  return [`"${name}":{"${field.name}":${valueJson(field, chosen.value)}}`];
}

function isZero(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  if (value === 0 || value === 0n) return true;
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0;
}

function valueJson(field: FieldSpec, value: unknown): string {
  if (!Array.isArray(value)) return scalarJson(field, value);
  return `[${value.map((each) => scalarJson(field, each)).join(",")}]`;
}

function scalarJson(field: FieldSpec, value: unknown): string {
  if (field.type === "message")
    return messageJson(present(field.typeName, "a message has a type"), value as object);
  if (value instanceof Uint8Array) return bytesJson(value);
  if (typeof value === "string") return stringJson(value);
  return String(value as number | bigint | boolean);
}

/** `"aGk="`. */
export function bytesJson(bytes: Uint8Array): string {
  return `"${Buffer.from(bytes).toString("base64")}"`;
}

/** As Go escapes it: also what HTML would take for its own. */
export function stringJson(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
