/** The code of one message: its type, its birth, its encoder and its decoder. */
import {
  defaultValue,
  factory,
  isPresent,
  oneofType,
  planField,
  propertyType,
  readScalar,
  tagOf,
  writePacked,
  writeScalar,
} from "./field.ts";
import type { PlannedField } from "./field.ts";
import { camel } from "./model.ts";
import type { MessageType, Schema } from "./model.ts";

export function emitMessage(schema: Schema, type: MessageType): string[] {
  const fields = type.fields.map((field) => planField(schema, type, field));
  return [
    ...emitType(type, fields),
    ...emitFactory(type, fields),
    ...emitEncoder(type, fields),
    ...emitDecoder(type, fields),
  ];
}

export function emitDoc(doc: readonly string[], indent: string): string[] {
  if (doc.length === 0) return [];
  if (doc.length === 1) return [`${indent}/** ${doc[0] ?? ""} */`];
  return [`${indent}/**`, ...doc.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`];
}

function emitType(type: MessageType, fields: readonly PlannedField[]): string[] {
  const lines: string[] = [];
  for (const [oneof, doc] of type.oneofDocs) {
    lines.push(...emitDoc(doc, ""), `export type ${oneofType(type.name, oneof)} =`);
    const members = fields.filter(({ field }) => field.oneof === oneof);
    lines.push(
      ...members.map(
        ({ property, elementType }, at) =>
          `  | { kind: "${property}"; value: ${elementType} }${at === members.length - 1 ? ";" : ""}`,
      ),
      "",
    );
  }
  lines.push(...emitDoc(type.doc, ""), `export interface ${type.name} {`);
  for (const planned of plainOf(fields)) {
    lines.push(...emitDoc(planned.field.doc, "  "));
    lines.push(`  ${planned.property}: ${propertyType(planned)};`);
  }
  for (const oneof of type.oneofDocs.keys()) {
    lines.push(`  ${camel(oneof)}: ${oneofType(type.name, oneof)} | null;`);
  }
  lines.push("}", "");
  return lines;
}

function plainOf(fields: readonly PlannedField[]): PlannedField[] {
  return fields.filter(({ field }) => field.oneof === null);
}

function emitFactory(type: MessageType, fields: readonly PlannedField[]): string[] {
  const { name } = type;
  const entries = plainOf(fields).map((planned) => `${planned.property}: ${defaultValue(planned)}`);
  for (const oneof of type.oneofDocs.keys()) entries.push(`${camel(oneof)}: null`);
  const literal = entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
  return [
    `export function ${factory(name)}(init: Partial<${name}> | null = null): ${name} {`,
    `  const m: ${name} = ${literal};`,
    "  return init === null ? m : Object.assign(m, init);",
    "}",
    "",
  ];
}

function emitEncoder(type: MessageType, fields: readonly PlannedField[]): string[] {
  const { name } = type;
  const body: string[] = [];
  for (const planned of fields.toReversed()) {
    const { oneof } = planned.field;
    if (oneof === null) body.push(...emitWrite(planned));
    else {
      const property = `m.${camel(oneof)}`;
      body.push(`  if (${property}?.kind === "${planned.property}") {`);
      body.push(...emitWriteOne(planned, `${property}.value`, "    "), "  }");
    }
  }
  const unused = fields.length === 0;
  return [
    `export function append${name}(${unused ? "_w" : "w"}: Writer, ${unused ? "_m" : "m"}: ${name}): void {`,
    ...body,
    "}",
    "",
    `export function encode${name}(m: ${name}): Uint8Array {`,
    "  const w = openWriter();",
    `  append${name}(w, m);`,
    "  return w.finish();",
    "}",
    "",
  ];
}

function emitWrite(planned: PlannedField): string[] {
  const value = `m.${planned.property}`;
  if (!planned.field.repeated) {
    const test = planned.message === null ? isPresent(planned, value) : `${value} !== null`;
    return [`  if (${test}) {`, ...emitWriteOne(planned, value, "    "), "  }"];
  }
  const loop = `for (let at = ${value}.length - 1; at >= 0; at--)`;
  const element = `${value}[at] as ${planned.elementType}`;
  if (planned.packable) {
    return [
      `  if (${value}.length > 0) {`,
      "    const before = w.size;",
      `    ${loop} ${writePacked(planned, planned.elementType === "boolean" ? `(${element})` : element)}`,
      `    w.wrap(${tagOf(planned, 2)}, before);`,
      "  }",
    ];
  }
  return [`  ${loop} {`, ...emitWriteOne(planned, element, "    "), "  }"];
}

function emitWriteOne(planned: PlannedField, value: string, indent: string): string[] {
  if (planned.message === null) return [indent + writeScalar(planned, value)];
  return [
    `${indent}const before = w.size;`,
    `${indent}append${planned.message}(w, ${value});`,
    `${indent}w.wrap(${tagOf(planned)}, before);`,
  ];
}

function emitDecoder(type: MessageType, fields: readonly PlannedField[]): string[] {
  const { name } = type;
  const known = `KNOWN_${name}`;
  const lines = [
    `const ${known}: ReadonlySet<number> = new Set([${fields.map(({ field }) => field.number).join(", ")}]);`,
    "",
    `export function merge${name}(r: Reader, m: ${name}): ${name} {`,
  ];
  for (const { field, property, elementType } of fields) {
    if (field.repeated) lines.push(`  let ${property}List: ${elementType}[] | null = null;`);
  }
  lines.push("  while (r.at < r.end) {", "    const tag = r.tag();", "    switch (tag) {");
  for (const planned of fields) lines.push(...emitRead(planned));
  lines.push(
    "      default:",
    `        r.skip(tag, ${known});`,
    "    }",
    "  }",
    "  return m;",
    "}",
    "",
    `export function decode${name}(buffer: Uint8Array, start = 0, end: number = buffer.length): ${name} {`,
    `  return merge${name}(openReader(buffer, start, end), ${factory(name)}());`,
    "}",
    "",
  );
  return lines;
}

function emitRead(planned: PlannedField): string[] {
  const { field, property } = planned;
  const indent = "        ";
  const lines = [`      case ${tagOf(planned)}: {`];
  if (field.repeated) {
    const list = `(${property}List ??= (m.${property} = [...m.${property}]) as ${planned.elementType}[])`;
    lines.push(...emitReadInto(planned, "null", (value) => `${list}.push(${value});`));
    if (planned.packable) {
      lines.push(`${indent}break;`, "      }", `      case ${tagOf(planned, 2)}: {`);
      lines.push(`${indent}const outer = r.enter();`);
      lines.push(`${indent}while (r.at < r.end) ${list}.push(${readScalar(planned)});`);
      lines.push(`${indent}r.leave(outer);`);
    }
  } else if (field.oneof === null) {
    lines.push(...emitReadInto(planned, `m.${property}`, (value) => `m.${property} = ${value};`));
  } else {
    const oneof = `m.${camel(field.oneof)}`;
    const same = `${oneof}?.kind === "${property}" ? ${oneof}.value : null`;
    const assign = (value: string): string =>
      `${oneof} = { kind: "${property}", value: ${value} };`;
    lines.push(...emitReadInto(planned, same, assign));
  }
  lines.push(`${indent}break;`, "      }");
  return lines;
}

/** `existing`: the message that a second occurrence is merged into, as proto3 demands of singular messages. */
function emitReadInto(
  planned: PlannedField,
  existing: string,
  assign: (value: string) => string,
): string[] {
  const indent = "        ";
  if (planned.message === null) return [indent + assign(readScalar(planned))];
  const { message } = planned;
  const birth = `${factory(message)}()`;
  const target = existing === "null" ? birth : `(${existing}) ?? ${birth}`;
  return [
    `${indent}const outer = r.enter();`,
    indent + assign(`merge${message}(r, ${target})`),
    `${indent}r.leave(outer);`,
  ];
}
