/** Reads all files of a folder into one schema and checks what the emitter relies on. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SCALARS } from "./model.ts";
import type { EnumType, Field, MessageType, ProtoFile, Scalar, Schema } from "./model.ts";
import { parseProto } from "./parse.ts";

export function readSchema(folder: string): Schema {
  const names = readdirSync(folder).filter((name) => name.endsWith(".proto"));
  return buildSchema(
    names.toSorted().map((name) => parseProto(name, readFileSync(join(folder, name), "utf8"))),
  );
}

/** Throws where a name is taken twice, a type is unknown, or a field number is out of range or used twice. */
export function buildSchema(files: readonly ProtoFile[]): Schema {
  const types = new Map<string, { file: string; type: MessageType | EnumType }>();
  for (const file of files) {
    for (const type of file.types) {
      if (types.has(type.name)) throw new Error(`${file.name}: ${type.name} is defined twice`);
      types.set(type.name, { file: file.name, type });
    }
  }
  const schema = { files, types };
  for (const { file, type } of types.values()) {
    if (type.kind === "message")
      for (const field of type.fields) checkField(schema, file, type, field);
  }
  return schema;
}

function checkField(schema: Schema, file: string, type: MessageType, field: Field): void {
  const where = `${file}: ${type.name}.${field.name}`;
  if (field.number < 1 || field.number >= 2 ** 29) throw new Error(`${where}: bad field number`);
  const same = type.fields.filter(({ number }) => number === field.number);
  if (same.length > 1) throw new Error(`${where}: field number ${field.number} is used twice`);
  if (field.id && field.type !== "int64" && field.type !== "uint64") {
    throw new Error(`${where}: only a 64-bit integer is an id`);
  }
  if (field.repeated && field.oneof !== null) throw new Error(`${where}: repeated in a oneof`);
  if (!isScalar(field.type)) resolve(schema, field.type, type.name);
}

export function isScalar(type: string): type is Scalar {
  return (SCALARS as readonly string[]).includes(type);
}

/** A message or enum by the name a field of `owner` gives it, with or without its package. */
export function resolve(
  schema: Schema,
  name: string,
  owner: string,
): { readonly file: string; readonly type: MessageType | EnumType } {
  const simple = name.slice(name.lastIndexOf(".") + 1);
  const found = schema.types.get(simple) ?? schema.types.get(owner + simple);
  if (found === undefined) throw new Error(`${owner}: unknown type ${name}`);
  return found;
}
