/** protobufjs reads the same definitions by reflection: a second opinion on every byte. */
import fc from "fast-check";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import { present } from "../../../src/base/assert.ts";
import { ENUMS, MESSAGES } from "../../../src/api/gen/registry.ts";
import type { AnyMessage, FieldSpec } from "../../../src/api/method.ts";

export type Fields = Record<string, unknown>;

const folder = join(import.meta.dirname, "../../../src/api/proto");
const root = new protobuf.Root();
root.loadSync(
  readdirSync(folder)
    .filter((name) => name.endsWith(".proto"))
    .map((name) => join(folder, name)),
  { keepCase: true },
);

/** The class is there; its declaration has only the constructor. */
const longs = protobuf.util.Long as unknown as {
  fromString(text: string, unsigned: boolean): object;
};

export function messageSpec(name: string): AnyMessage {
  return present(MESSAGES[name], `${name} is a message`);
}

function camelOf(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The values of a record by field: in a oneof only the one that is set. */
function valueOf(record: Fields, field: FieldSpec): unknown {
  if (field.oneof === null) return record[field.property];
  const chosen = record[camelOf(field.oneof)] as { kind: string; value: unknown } | null;
  return chosen !== null && chosen.kind === field.property ? chosen.value : undefined;
}

function isDefault(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  if (value === 0 || value === 0n || value === "") return true;
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0;
}

/** Our record as protobufjs takes it: absent where the default is, 64-bit integers as Long. */
function toOracle(name: string, record: Fields): Fields {
  const object: Fields = {};
  for (const field of messageSpec(name).fields) {
    const value = valueOf(record, field);
    const absent = field.oneof === null ? isDefault(value) : value === undefined;
    if (absent) continue;
    const one = (element: unknown): unknown => {
      if (field.type === "message")
        return toOracle(present(field.typeName, "named"), element as Fields);
      if (field.type === "int64" || field.type === "uint64") {
        return longs.fromString(String(element), field.type === "uint64");
      }
      return element;
    };
    object[field.name] = field.repeated ? (value as unknown[]).map(one) : one(value);
  }
  return object;
}

export function oracleEncode(name: string, record: Fields): Uint8Array {
  const type = root.lookupType(messageSpec(name).fullName);
  return type.encode(type.create(toOracle(name, record))).finish();
}

/** What protobufjs reads, in the form of `plain`. */
export function oracleDecode(name: string, bytes: Uint8Array): unknown {
  const type = root.lookupType(messageSpec(name).fullName);
  return plainOracle(name, type.decode(bytes) as unknown as Fields);
}

function plainOracle(name: string, message: Fields): Fields {
  const result: Fields = {};
  for (const field of messageSpec(name).fields) {
    const there = Object.hasOwn(message, field.name);
    if (field.oneof !== null && !there) continue;
    const one = (element: unknown): unknown => {
      if (field.type === "message") {
        return element === null
          ? null
          : plainOracle(present(field.typeName, "named"), element as Fields);
      }
      return plainScalar(field, element);
    };
    const value = message[field.name];
    result[field.name] = field.repeated ? (there ? (value as unknown[]).map(one) : []) : one(value);
  }
  return result;
}

function plainScalar(field: FieldSpec, value: unknown): unknown {
  switch (field.type) {
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("hex");
    case "int64":
    case "uint64": {
      const exact = BigInt(String(value));
      if (field.id) return exact;
      const limit = BigInt(Number.MAX_SAFE_INTEGER);
      return Number(exact > limit ? limit : exact < -limit ? -limit : exact);
    }
    default:
      return value;
  }
}

/** Our record as something two decoders can be compared by: by field name, bytes in hexadecimal. */
export function plain(name: string, record: Fields): Fields {
  const result: Fields = {};
  for (const field of messageSpec(name).fields) {
    const value = valueOf(record, field);
    if (field.oneof !== null && value === undefined) continue;
    const one = (element: unknown): unknown => {
      if (field.type === "message") {
        return element === null ? null : plain(present(field.typeName, "named"), element as Fields);
      }
      return plainScalar(field, element);
    };
    result[field.name] = field.repeated ? (value as unknown[]).map(one) : one(value);
  }
  return result;
}

const SAFE = Number.MAX_SAFE_INTEGER;
/** Lengths around the limits of short copies and of one-byte lengths. */
const bytes = fc
  .oneof(fc.constantFrom(0, 1, 23, 24, 25, 127, 128, 300), fc.nat(40))
  .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
  fc.constantFrom("x".repeat(127), "y".repeat(128), "ü".repeat(64), "\u007f\u0080", "a\u0080"),
);
/** The first and last value of every length a varint can have. */
const edges = Array.from({ length: 53 }, (_, bits) => [2 ** bits - 1, 2 ** bits]).flat();

function scalar(field: FieldSpec): fc.Arbitrary<unknown> {
  switch (field.type) {
    case "bool":
      return fc.boolean();
    case "bytes":
      return bytes;
    case "string":
      return text;
    case "enum":
      return fc.oneof(
        fc.constantFrom(...Object.values(present(ENUMS[field.typeName ?? ""], "an enum"))),
        fc.integer(),
      );
    case "int32":
      return fc.integer();
    case "uint32":
      return fc.nat(0xffff_ffff);
    case "int64":
      if (field.id) return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
      return fc.oneof(
        fc.integer({ min: -SAFE, max: SAFE }),
        fc.constantFrom(0, SAFE, -SAFE, -1, ...edges),
      );
    default:
      if (field.id) return fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constant(0n));
      return fc.oneof(fc.nat(SAFE), fc.constantFrom(0, SAFE, ...edges));
  }
}

/** Any record of a message; `depth` bounds the messages within. */
export function records(name: string, depth: number): fc.Arbitrary<Fields> {
  const spec = messageSpec(name);
  const plainFields: Record<string, fc.Arbitrary<unknown>> = {};
  const oneofs = new Map<string, fc.Arbitrary<unknown>[]>();
  for (const field of spec.fields) {
    if (field.type === "message" && depth === 0) continue;
    const one =
      field.type === "message"
        ? records(present(field.typeName, "named"), depth - 1)
        : scalar(field);
    if (field.oneof !== null) {
      const choices = oneofs.get(field.oneof) ?? [];
      choices.push(one.map((value) => ({ kind: field.property, value })));
      oneofs.set(field.oneof, choices);
    } else if (field.repeated) plainFields[field.property] = fc.array(one, { maxLength: 4 });
    else if (field.type === "message") plainFields[field.property] = fc.option(one);
    else plainFields[field.property] = one;
  }
  for (const [oneof, choices] of oneofs) {
    plainFields[camelOf(oneof)] = fc.option(fc.oneof(...choices), { freq: 8 });
  }
  return fc.record(plainFields, { requiredKeys: [] }).map((init) => spec.create(init) as Fields);
}
