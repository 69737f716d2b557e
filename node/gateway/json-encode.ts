/**
 * Messages to JSON, as protojson writes them for etcd: proto names, 64-bit integers as strings, bytes in base64, enums by name,
 * what is unset left out, fields in the order of their definition.
 */
import { present } from "../../src/base/assert.ts";
import { ENUMS, MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMessage, FieldSpec } from "../../src/api/method.ts";
import { oneofProperty } from "./json-decode.ts";

type Fields = Record<string, unknown>;

/** Characters of a part: about what leaves in one write. */
const PART_CHARACTERS = 64 * 1024;

/** The message in parts of bounded size, so that a large one need not be written in one go. */
export function* encodeJson(
  type: AnyMessage,
  message: object,
  escapeHtml: boolean,
): Generator<string, void> {
  const writer = new MessageWriter(escapeHtml);
  yield* writer.message(type, message as Fields);
  if (writer.text !== "") yield writer.text;
}

/** A JSON string; `escapeHtml` as Go's encoding/json does it, which writes the lines of a stream. */
export function quoteJson(text: string, escapeHtml: boolean): string {
  const quoted = JSON.stringify(text.toWellFormed());
  return escapeHtml ? quoted.replaceAll(/[<>&\u2028\u2029]/g, toEscape) : quoted;
}

function toEscape(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

class MessageWriter {
  text = "";
  readonly #escapeHtml: boolean;

  constructor(escapeHtml: boolean) {
    this.#escapeHtml = escapeHtml;
  }

  *message(type: AnyMessage, message: Fields): Generator<string, void> {
    this.text += "{";
    let separator = "";
    for (const field of type.fields) {
      const value = valueOf(message, field);
      if (value === undefined) continue;
      this.text += `${separator}"${field.name}":`;
      separator = ",";
      if (field.repeated) yield* this.#list(field, value as readonly unknown[]);
      else yield* this.#value(field, value);
    }
    this.text += "}";
  }

  *#list(field: FieldSpec, list: readonly unknown[]): Generator<string, void> {
    this.text += "[";
    let separator = "";
    for (const element of list) {
      this.text += separator;
      separator = ",";
      yield* this.#value(field, element);
    }
    this.text += "]";
  }

  *#value(field: FieldSpec, value: unknown): Generator<string, void> {
    if (field.type === "message") {
      yield* this.message(present(MESSAGES[field.typeName ?? ""], "a message"), value as Fields);
    } else this.text += this.#scalar(field, value);
    if (this.text.length < PART_CHARACTERS) return;
    const part = this.text;
    this.text = "";
    yield part;
  }

  #scalar(field: FieldSpec, value: unknown): string {
    switch (field.type) {
      case "bytes": {
        const { buffer, byteOffset, length } = value as Uint8Array;
        return `"${Buffer.from(buffer, byteOffset, length).toString("base64")}"`;
      }
      case "string":
        return quoteJson(value as string, this.#escapeHtml);
      case "int64":
      case "uint64":
        return `"${String(value)}"`;
      case "enum": {
        const name = enumName(field.typeName ?? "", value as number);
        return name === undefined ? String(value) : `"${name}"`;
      }
      default:
        return String(value);
    }
  }
}

const NAMES = new Map<string, ReadonlyMap<number, string>>();

function enumName(type: string, value: number): string | undefined {
  let names = NAMES.get(type);
  if (names === undefined) {
    const entries = Object.entries(present(ENUMS[type], "an enum"));
    names = new Map(entries.map(([name, number]) => [number, name]));
    NAMES.set(type, names);
  }
  return names.get(value);
}

/** What is written of a field; undefined where it is unset. In a oneof a zero is written too. */
function valueOf(message: Fields, field: FieldSpec): unknown {
  if (field.oneof === null) {
    const value = message[field.property];
    return isUnset(value) ? undefined : value;
  }
  const chosen = message[oneofProperty(field.oneof)] as { kind: string; value: unknown } | null;
  return chosen !== null && chosen.kind === field.property ? chosen.value : undefined;
}

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  if (value === 0 || value === 0n || value === "") return true;
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0;
}
