/** What the generator knows of a `.proto` file. */

export const SCALARS = ["bool", "bytes", "string", "int32", "uint32", "int64", "uint64"] as const;
export type Scalar = (typeof SCALARS)[number];

export interface Field {
  readonly doc: readonly string[];
  readonly name: string;
  readonly number: number;
  /** A scalar, or a message or enum as it was written. */
  readonly type: string;
  readonly repeated: boolean;
  /** `[(id) = true]`: all 64 bits matter, so the value is a bigint. Without it a 64-bit integer is a counter. */
  readonly id: boolean;
  /** The oneof it belongs to, null for none. */
  readonly oneof: string | null;
}

export interface MessageType {
  readonly kind: "message";
  readonly doc: readonly string[];
  /** As in the file; unique over all files. */
  readonly name: string;
  /** With its package. */
  readonly fullName: string;
  readonly fields: readonly Field[];
  readonly oneofDocs: ReadonlyMap<string, readonly string[]>;
}

export interface EnumType {
  readonly kind: "enum";
  readonly doc: readonly string[];
  readonly name: string;
  readonly fullName: string;
  readonly values: readonly { readonly name: string; readonly number: number }[];
}

export interface Rpc {
  readonly name: string;
  readonly request: string;
  readonly requestStream: boolean;
  readonly response: string;
  readonly responseStream: boolean;
  /** REST paths of the gateway; empty if it has none. */
  readonly rest: readonly string[];
}

export interface Service {
  readonly name: string;
  readonly rpcs: readonly Rpc[];
}

export interface ProtoFile {
  /** Without `.proto`. */
  readonly name: string;
  readonly doc: readonly string[];
  readonly package: string;
  readonly types: readonly (MessageType | EnumType)[];
  readonly services: readonly Service[];
}

/** All files, and where each type is. */
export interface Schema {
  readonly files: readonly ProtoFile[];
  /** By simple name, which is unique. */
  readonly types: ReadonlyMap<
    string,
    { readonly file: string; readonly type: MessageType | EnumType }
  >;
}

/** `range_end` -> `rangeEnd`, `peerURLs` -> `peerUrls`, `ID` -> `id`, `grantedTTL` -> `grantedTtl`. */
export function camel(name: string): string {
  const joined = name
    .replaceAll(/[A-Z]{2,}/g, (run) => run.charAt(0) + run.slice(1).toLowerCase())
    .replaceAll(/_+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return joined.charAt(0).toLowerCase() + joined.slice(1);
}

/** `NOT_EQUAL` -> `notEqual`. */
export function camelUpper(name: string): string {
  return camel(name.toLowerCase());
}

export function pascal(name: string): string {
  const text = camel(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
