/** What one field becomes: its type, its default, how it is read and how it is written. */
import { camel, pascal } from "./model.ts";
import type { Field, MessageType, Schema } from "./model.ts";
import { isScalar, resolve } from "./schema.ts";

/** A field with everything about it decided. */
export interface PlannedField {
  readonly field: Field;
  /** The property. */
  readonly property: string;
  /** Of one element. */
  readonly elementType: string;
  /** The message it holds; null for scalars and enums. */
  readonly message: string | null;
  /** The enum it holds, null for others. */
  readonly enumeration: string | null;
  readonly wireType: 0 | 2;
  /** May several share one length on the wire? */
  readonly packable: boolean;
}

export function planField(schema: Schema, owner: MessageType, field: Field): PlannedField {
  const property = camel(field.name);
  const base = { field, property, message: null, enumeration: null };
  if (!isScalar(field.type)) {
    const { type } = resolve(schema, field.type, owner.name);
    if (type.kind === "enum") {
      const enumeration = type.name;
      return { ...base, enumeration, elementType: "number", wireType: 0, packable: true };
    }
    const message = type.name;
    return { ...base, message, elementType: message, wireType: 2, packable: false };
  }
  switch (field.type) {
    case "bytes":
      return { ...base, elementType: "Uint8Array", wireType: 2, packable: false };
    case "string":
      return { ...base, elementType: "string", wireType: 2, packable: false };
    case "bool":
      return { ...base, elementType: "boolean", wireType: 0, packable: true };
    default:
      return { ...base, elementType: field.id ? "bigint" : "number", wireType: 0, packable: true };
  }
}

export function propertyType(planned: PlannedField): string {
  if (planned.field.repeated) return `readonly ${planned.elementType}[]`;
  return planned.message === null ? planned.elementType : `${planned.message} | null`;
}

export function defaultValue(planned: PlannedField): string {
  if (planned.field.repeated) return "[]";
  if (planned.message !== null) return "null";
  switch (planned.elementType) {
    case "Uint8Array":
      return "EMPTY";
    case "string":
      return '""';
    case "boolean":
      return "false";
    case "bigint":
      return "0n";
    default:
      return "0";
  }
}

export function tagOf(planned: PlannedField, wireType: number = planned.wireType): number {
  return planned.field.number * 8 + wireType;
}

/** The expression that reads one scalar or enum. */
export function readScalar(planned: PlannedField): string {
  const { type, id } = planned.field;
  if (planned.enumeration !== null) return "r.int32()";
  return id ? `r.${type}Id()` : `r.${type}()`;
}

/** The statement that writes one tagged scalar. */
export function writeScalar(planned: PlannedField, value: string): string {
  return `w.${scalarWriter(planned)}(${tagOf(planned)}, ${value});`;
}

function scalarWriter(planned: PlannedField): string {
  switch (planned.elementType) {
    case "Uint8Array":
      return "bytes";
    case "string":
      return "string";
    case "boolean":
      return "bool";
    default:
      return planned.field.id ? "id" : "int";
  }
}

/** The statement that writes one element of a packed field. */
export function writePacked(planned: PlannedField, value: string): string {
  if (planned.elementType === "boolean") return `w.integer(${value} ? 1 : 0);`;
  return planned.field.id ? `w.bigInteger(${value});` : `w.integer(${value});`;
}

/** Is the value on the wire? */
export function isPresent(planned: PlannedField, value: string): string {
  switch (planned.elementType) {
    case "Uint8Array":
      return `${value}.length > 0`;
    case "string":
      return `${value} !== ""`;
    case "boolean":
      return value;
    case "bigint":
      return `${value} !== 0n`;
    default:
      return `${value} !== 0`;
  }
}

/** The type of a oneof: the message's name and the oneof's. */
export function oneofType(message: string, oneof: string): string {
  return message + pascal(oneof);
}

/** `LeaseRequest` -> `leaseRequest`, `KeyValue` -> `keyValue`. */
export function factory(message: string): string {
  return camel(message);
}
