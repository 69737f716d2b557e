/**
 * Messages to JSON, as protojson writes them for etcd: proto names, 64-bit integers as strings, bytes in base64, enums by name,
 * what is unset left out. They are read from the wire field by field, never decoded as a whole: a large reply costs no turn of
 * the loop and no second copy.
 */
import { present } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { ENUMS, MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMessage, FieldSpec } from "../../src/api/method.ts";

/** Characters of a part: about what leaves in one write. */
const PART_CHARACTERS = 64 * 1024;
const VARINT = 0;
const LENGTH_DELIMITED = 2;

/**
 * The message in parts of bounded size. It must be as our encoders write it: fields in the order of their numbers, elements of
 * a list together. `escapeHtml` as Go's encoding/json does it, which writes the lines of a stream.
 */
export function* encodeJson(
  type: AnyMessage,
  message: Uint8Array,
  escapeHtml: boolean,
): Generator<string, void> {
  const writer = new MessageWriter(message, escapeHtml);
  yield* writer.message(type, message.length);
  if (writer.text !== "") yield writer.text;
}

export function quoteJson(text: string, escapeHtml: boolean): string {
  const quoted = JSON.stringify(text.toWellFormed());
  return escapeHtml ? quoted.replaceAll(/[<>&\u2028\u2029]/g, toEscape) : quoted;
}

function toEscape(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

class MessageWriter {
  text = "";
  readonly #bytes: Buffer;
  readonly #escapeHtml: boolean;
  #at = 0;

  constructor(bytes: Uint8Array, escapeHtml: boolean) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#escapeHtml = escapeHtml;
  }

  /** The message that ends at `end`. */
  *message(type: AnyMessage, end: number): Generator<string, void> {
    const fields = fieldsOf(type);
    this.text += "{";
    /** The list that is being written. */
    let list: FieldSpec | null = null;
    let separator = "";
    while (this.#at < end) {
      const tag = Number(this.#varint());
      const field = fields.get(tag >>> 3);
      const size = (tag & 7) === LENGTH_DELIMITED ? Number(this.#varint()) : null;
      if (field === undefined || (size === null && (tag & 7) !== VARINT)) {
        throw new QuorateError("internal", `${type.fullName} has no field for the tag ${tag}`);
      }
      if (!field.repeated && field.oneof === null && this.#skipsUnset(field, size)) continue;
      if (list === field) this.text += ",";
      else {
        if (list !== null) this.text += "]";
        this.text += `${separator}"${field.name}":${field.repeated ? "[" : ""}`;
      }
      list = field.repeated ? field : null;
      separator = ",";
      if (field.type === "message") {
        const inner = present(MESSAGES[field.typeName ?? ""], "a message");
        yield* this.message(inner, this.#at + (size ?? 0));
      } else this.#scalar(field, size);
      if (this.text.length < PART_CHARACTERS) continue;
      const part = this.text;
      this.text = "";
      yield part;
    }
    this.text += list === null ? "}" : "]}";
  }

  /** Past a value that an unset field has as well: some writers write those. */
  #skipsUnset(field: FieldSpec, size: number | null): boolean {
    if (size !== null) return size === 0 && field.type !== "message";
    if (this.#bytes[this.#at] !== 0) return false;
    this.#at++;
    return true;
  }

  #scalar(field: FieldSpec, size: number | null): void {
    if (size === null) {
      this.text += varintJson(field, this.#varint());
      return;
    }
    const end = this.#at + size;
    if (field.type === "string" || field.type === "bytes") {
      const bytes = this.#bytes.subarray(this.#at, end);
      this.text +=
        field.type === "string"
          ? quoteJson(bytes.toString("utf8"), this.#escapeHtml)
          : `"${bytes.toString("base64")}"`;
      this.#at = end;
      return;
    }
    // A packed list.
    let separator = "";
    while (this.#at < end) {
      this.text += separator + varintJson(field, this.#varint());
      separator = ",";
    }
  }

  /** As 64 bits without a sign. */
  #varint(): bigint {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 4; count++) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return BigInt(value);
      factor *= 128;
    }
    let large = BigInt(value);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++] ?? 0;
      large |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return BigInt.asUintN(64, large);
  }
}

function varintJson(field: FieldSpec, value: bigint): string {
  switch (field.type) {
    case "bool":
      return value === 0n ? "false" : "true";
    case "int64":
      return `"${BigInt.asIntN(64, value)}"`;
    case "uint64":
      return `"${value}"`;
    case "enum": {
      const number = Number(BigInt.asIntN(32, value));
      const name = enumName(field.typeName ?? "", number);
      return name === undefined ? String(number) : `"${name}"`;
    }
    case "int32":
      return String(BigInt.asIntN(32, value));
    default:
      return String(BigInt.asUintN(32, value));
  }
}

const FIELDS = new Map<AnyMessage, ReadonlyMap<number, FieldSpec>>();

function fieldsOf(type: AnyMessage): ReadonlyMap<number, FieldSpec> {
  let fields = FIELDS.get(type);
  if (fields === undefined) {
    fields = new Map(type.fields.map((field) => [field.number, field]));
    FIELDS.set(type, fields);
  }
  return fields;
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
