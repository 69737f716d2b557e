/**
 * JSON to messages, as protojson has it: fields by their proto or their lowerCamelCase name, unknown ones passed over, 64-bit
 * integers as strings or numbers, bytes in either alphabet of base64, enums by name or number. The texts of its errors too.
 */
import { present } from "../../src/base/assert.ts";
import { ENUMS, MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMessage, FieldSpec } from "../../src/api/method.ts";
import { badJson, isSpace } from "./json-syntax.ts";
import { parseBase64, parseInteger } from "./json-scalar.ts";

type Fields = Record<string, unknown>;

/** `value` is one JSON value that was checked (`checkJson`). */
export function decodeJson(type: AnyMessage, value: string): object {
  return new MessageReader(value).message(type);
}

interface NamedField {
  readonly spec: FieldSpec;
  /** As texts name it. */
  readonly jsonName: string;
}

const FIELDS = new Map<AnyMessage, ReadonlyMap<string, NamedField>>();

function fieldsOf(type: AnyMessage): ReadonlyMap<string, NamedField> {
  let fields = FIELDS.get(type);
  if (fields === undefined) {
    fields = new Map(
      type.fields.flatMap((spec) => {
        const jsonName = lowerCamel(spec.name);
        const named = { spec, jsonName };
        return [
          [spec.name, named],
          [jsonName, named],
        ] as const;
      }),
    );
    FIELDS.set(type, fields);
  }
  return fields;
}

/** As protobuf derives the JSON name. */
function lowerCamel(name: string): string {
  return name.replaceAll(/_+([a-z0-9A-Z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The property that holds a oneof. */
export function oneofProperty(oneof: string): string {
  return lowerCamel(oneof);
}

const KINDS: Readonly<Record<FieldSpec["type"], string>> = {
  bool: "bool",
  bytes: "bytes",
  string: "string",
  int32: "int32",
  uint32: "uint32",
  int64: "int64",
  uint64: "uint64",
  enum: "enum",
  message: "message",
};

const PLAIN = /[^"\\]*/y;

/** Of an enum's name that nobody knows: the field stays as it is. */
const UNKNOWN = Symbol("unknown");

class MessageReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  message(type: AnyMessage): object {
    this.#expect("{");
    const fields: Fields = {};
    const seen = new Set<string>();
    const named = fieldsOf(type);
    while (this.#skipSpace() !== "}") {
      const from = this.#at;
      const name = this.#string();
      const quoted = this.#text.slice(from, this.#at);
      this.#skipSpace();
      this.#at++; // the colon
      const field = named.get(name);
      if (field === undefined) this.#skipValue();
      else {
        if (seen.has(field.spec.name)) throw this.#error(from, `duplicate field ${quoted}`);
        seen.add(field.spec.name);
        if (this.#skipSpace() === "n") this.#skipValue();
        else this.#field(type, field, fields, seen, { from, quoted });
      }
      if (this.#skipSpace() === ",") this.#at++;
    }
    this.#at++;
    return type.create(fields);
  }

  #field(
    type: AnyMessage,
    field: NamedField,
    fields: Fields,
    seen: Set<string>,
    name: { readonly from: number; readonly quoted: string },
  ): void {
    const { spec } = field;
    if (spec.repeated) {
      fields[spec.property] = this.#list(field);
      return;
    }
    if (spec.oneof === null) {
      const value = this.#value(field);
      if (value !== UNKNOWN) fields[spec.property] = value;
      return;
    }
    const slot = `oneof ${spec.oneof}`;
    if (seen.has(slot)) {
      const oneof = `${type.fullName}.${spec.oneof}`;
      throw this.#error(name.from, `error parsing ${name.quoted}, oneof ${oneof} is already set`);
    }
    seen.add(slot);
    fields[oneofProperty(spec.oneof)] = { kind: spec.property, value: this.#value(field) };
  }

  #list(field: NamedField): unknown[] {
    this.#expect("[");
    const list: unknown[] = [];
    while (this.#skipSpace() !== "]") {
      const value = this.#value(field);
      if (value !== UNKNOWN) list.push(value);
      if (this.#skipSpace() === ",") this.#at++;
    }
    this.#at++;
    return list;
  }

  #value(field: NamedField): unknown {
    const { spec, jsonName } = field;
    if (spec.type === "message")
      return this.message(present(MESSAGES[spec.typeName ?? ""], "a message"));
    this.#skipSpace();
    const from = this.#at;
    const raw = this.#skipScalar();
    const value = this.#scalar(spec, raw, from);
    if (value !== null) return value;
    throw this.#error(from, `invalid value for ${KINDS[spec.type]} field ${jsonName}: ${raw}`);
  }

  /** Null if that is no value of the field's type. */
  #scalar(spec: FieldSpec, raw: string, from: number): unknown {
    const text = raw.startsWith('"') ? this.#unquote(raw, from) : null;
    switch (spec.type) {
      case "bool":
        return raw === "true" ? true : raw === "false" ? false : null;
      case "string":
        return text;
      case "bytes":
        return text === null ? null : parseBase64(text);
      case "enum": {
        const names = present(ENUMS[spec.typeName ?? ""], "an enum");
        if (text === null) return parseInteger("int32", false, raw);
        return Object.hasOwn(names, text) ? names[text] : UNKNOWN;
      }
      case "message":
        return null;
      default:
        return parseInteger(spec.type, spec.id, text ?? raw);
    }
  }

  /** The text of a scalar; an array or object counts with its bracket alone, as texts show it. */
  #skipScalar(): string {
    const from = this.#at;
    const first = this.#text.charAt(from);
    if (first === "{" || first === "[") return first;
    this.#skipValue();
    return this.#text.slice(from, this.#at);
  }

  #expect(bracket: string): void {
    if (this.#skipSpace() === bracket) {
      this.#at++;
      return;
    }
    const from = this.#at;
    throw this.#error(from, `unexpected token ${this.#skipScalar()}`, "syntax error ");
  }

  #string(): string {
    const from = this.#at;
    this.#skipString();
    return this.#unquote(this.#text.slice(from, this.#at), from);
  }

  #unquote(raw: string, from: number): string {
    const text = JSON.parse(raw) as string;
    if (text.isWellFormed()) return text;
    throw this.#error(from, `invalid escape code in string ${raw}`, "syntax error ");
  }

  #skipString(): void {
    this.#at++;
    for (;;) {
      PLAIN.lastIndex = this.#at;
      PLAIN.test(this.#text);
      this.#at = PLAIN.lastIndex;
      const code = this.#text.charCodeAt(this.#at++);
      if (code === 0x22) return;
      if (code === 0x5c) this.#at++;
    }
  }

  /** Past a value of any shape. */
  #skipValue(): void {
    let depth = 0;
    do {
      const first = this.#skipSpace();
      if (first === '"') this.#skipString();
      else if ("{[".includes(first)) {
        depth++;
        this.#at++;
      } else if ("}]".includes(first)) {
        depth--;
        this.#at++;
      } else if (",:".includes(first)) this.#at++;
      else while (/[-+.\w]/.test(this.#text.charAt(this.#at))) this.#at++;
    } while (depth > 0);
  }

  #skipSpace(): string {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
    return this.#text.charAt(this.#at);
  }

  #error(at: number, text: string, kind = ""): Error {
    const before = this.#text.slice(0, at).split("\n");
    const column = Array.from(before.at(-1) ?? "").length + 1;
    return badJson(`proto: ${kind}(line ${before.length}:${column}): ${text}`);
  }
}
