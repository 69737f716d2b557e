/** What is known of an RPC and of a message, apart from its code. */

/** One RPC with its codecs: those of a server and those of a client. */
export interface MethodSpec<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** `package.Service`. */
  readonly service: string;
  readonly name: string;
  readonly kind: "unary" | "serverStream" | "bidiStream";
  /** Paths of the JSON gateway (POST); empty where it has none. */
  readonly rest: readonly string[];
  /** Names of the messages in `gen/registry.ts`. */
  readonly requestType: string;
  readonly responseType: string;
  /** Encoders answer a view of the shared buffer, valid until the next encode. */
  readonly encodeRequest: (message: Request) => Uint8Array;
  readonly decodeRequest: (buffer: Uint8Array, start?: number, end?: number) => Request;
  readonly encodeResponse: (message: Response) => Uint8Array;
  readonly decodeResponse: (buffer: Uint8Array, start?: number, end?: number) => Response;
}

/** A method whose messages are known by name only: its encoders take nothing without a cast. */
export type AnyMethod = Omit<MethodSpec<unknown, unknown>, "encodeRequest" | "encodeResponse"> & {
  readonly encodeRequest: (message: never) => Uint8Array;
  readonly encodeResponse: (message: never) => Uint8Array;
};

/** One field, as JSON and tests need it. */
export interface FieldSpec {
  /** As in the `.proto` file, which is also its JSON name. */
  readonly name: string;
  /** Of our type. In a oneof it is the `kind`. */
  readonly property: string;
  readonly number: number;
  readonly type:
    | "bool"
    | "bytes"
    | "string"
    | "int32"
    | "uint32"
    | "int64"
    | "uint64"
    | "enum"
    | "message";
  /** Of the message or enum. */
  readonly typeName: string | null;
  readonly repeated: boolean;
  /** A 64-bit integer that is a bigint. */
  readonly id: boolean;
  /** As in the `.proto` file. */
  readonly oneof: string | null;
}

/** A message known by name. Its record is `Record<string, unknown>` with the properties of `fields`. */
export interface AnyMessage {
  readonly fullName: string;
  readonly fields: readonly FieldSpec[];
  readonly create: (init?: object | null) => object;
  readonly encode: (message: object) => Uint8Array;
  readonly decode: (buffer: Uint8Array, start?: number, end?: number) => object;
}

export function defineMessage<T extends object>(
  fullName: string,
  create: (init?: Partial<T> | null) => T,
  encode: (message: T) => Uint8Array,
  decode: (buffer: Uint8Array, start?: number, end?: number) => T,
  fields: readonly FieldSpec[],
): AnyMessage {
  return {
    fullName,
    fields,
    create: create as AnyMessage["create"],
    encode: encode as AnyMessage["encode"],
    decode,
  };
}
