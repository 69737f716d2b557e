/**
 * The language in which the custom resources are described, once: the types (`gen/`) are made from it.
 */
import type { Resource } from "../../kube/api.ts";

/** A value as JSON has it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json;
}

/** A rule in CEL that the API server checks. `self` is the value of the node that carries it, `oldSelf` the one before. */
export interface Rule {
  readonly rule: string;
  /** Names the field and what to do about it: it is all that the person who is refused gets to see. */
  readonly message: string;
  /** Relative to the node, as `.replicas`. */
  readonly fieldPath?: string;
}

/** What every node may say. */
export interface Common {
  /** What `kubectl explain` shows. */
  readonly doc: string;
  /** Given by the API server where the field is absent, and kept in the object from then on. */
  readonly value?: Json;
  /**
   * Taken by the operator where the field is absent, and not kept: what is one of several by its presence must not be
   * there beside what a person puts in later.
   */
  readonly implied?: Json;
  /** Must be given by whoever writes the object. Neither this nor `value`: may be absent for good. */
  readonly required?: true;
  readonly rules?: readonly Rule[];
}

/** A regular expression (RE2) for the whole of a string, and how to put it right when it does not match. */
export interface Pattern {
  readonly regex: string;
  readonly says: string;
}

export interface StringNode extends Common {
  readonly kind: "string";
  readonly enum?: readonly string[];
  readonly pattern?: Pattern;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: "date-time";
}

export interface IntegerNode extends Common {
  readonly kind: "integer";
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format: "int32" | "int64";
}

export interface BooleanNode extends Common {
  readonly kind: "boolean";
  readonly enum?: readonly boolean[];
}

/** A Kubernetes quantity: a number or a string. */
export interface QuantityNode extends Common {
  readonly kind: "quantity";
}

export interface ListNode extends Common {
  readonly kind: "list";
  readonly item: Node;
  readonly minItems?: number;
  readonly maxItems: number;
  /** Fields that tell items apart; [] for a set of scalars, absent for an ordered list. */
  readonly keys?: readonly string[];
}

export interface MapNode extends Common {
  readonly kind: "map";
  readonly item: Node;
  readonly maxProperties: number;
}

export interface ObjectNode extends Common {
  readonly kind: "object";
  /** Of the TypeScript interface. */
  readonly name: string;
  /** Applied as one value: fields of different writers are not merged. */
  readonly atomic?: true;
  readonly fields: Readonly<Record<string, Node>>;
}

/** Something of Kubernetes that is passed on as it came, so its fields are not known here. */
export interface OpaqueNode extends Common {
  readonly kind: "opaque";
}

export type Node =
  | StringNode
  | IntegerNode
  | BooleanNode
  | QuantityNode
  | ListNode
  | MapNode
  | ObjectNode
  | OpaqueNode;

export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description: string;
  /** 1: only with `-o wide`. */
  readonly priority?: 1;
}

/** One custom resource of the group. */
export interface ResourceSchema {
  readonly resource: Resource;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly doc: string;
  readonly spec: ObjectNode;
  readonly status: ObjectNode;
  /** On the object as a whole: `self.metadata.name`, and transitions of the spec. */
  readonly rules: readonly Rule[];
  readonly columns: readonly PrinterColumn[];
  /** Paths of fields by which lists can be asked for. */
  readonly selectable?: readonly string[];
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath: string;
  };
}

type Options<T extends Node> = Partial<Omit<T, "kind" | "doc">>;

export function string(doc: string, options: Options<StringNode> = {}): StringNode {
  return { kind: "string", doc, ...options };
}

/** One word out of a closed set. */
export function choice(
  doc: string,
  values: readonly string[],
  options: Options<StringNode> = {},
): StringNode {
  return { kind: "string", doc, enum: values, ...options };
}

export function int32(doc: string, options: Options<IntegerNode> = {}): IntegerNode {
  return { kind: "integer", doc, format: "int32", ...options };
}

export function int64(doc: string, options: Options<IntegerNode> = {}): IntegerNode {
  return { kind: "integer", doc, format: "int64", ...options };
}

export function boolean(doc: string, options: Options<BooleanNode> = {}): BooleanNode {
  return { kind: "boolean", doc, ...options };
}

export function quantity(doc: string, options: Options<QuantityNode> = {}): QuantityNode {
  return { kind: "quantity", doc, ...options };
}

/** RFC 3339, as `metadata.creationTimestamp`. */
export function time(doc: string, options: Options<StringNode> = {}): StringNode {
  return { kind: "string", doc, format: "date-time", ...options };
}

export function list(
  doc: string,
  item: Node,
  options: Options<ListNode> & { readonly maxItems: number },
): ListNode {
  return { kind: "list", doc, item, ...options };
}

export function map(
  doc: string,
  item: Node,
  options: Options<MapNode> & { readonly maxProperties: number },
): MapNode {
  return { kind: "map", doc, item, ...options };
}

export function object(
  name: string,
  doc: string,
  fields: Readonly<Record<string, Node>>,
  options: Omit<Options<ObjectNode>, "name" | "fields"> = {},
): ObjectNode {
  return { kind: "object", name, doc, fields, ...options };
}

export function opaque(doc: string, options: Options<OpaqueNode> = {}): OpaqueNode {
  return { kind: "opaque", doc, ...options };
}
