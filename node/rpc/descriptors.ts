/** Our definitions as descriptors, one file a package: what reflection tells of the methods that are served. */
import { present } from "../../src/base/assert.ts";
import {
  descriptorProto,
  encodeFileDescriptorProto,
  fieldDescriptorProto,
  fileDescriptorProto,
  methodDescriptorProto,
} from "../../src/api/gen/descriptor.ts";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  ServiceDescriptorProto,
} from "../../src/api/gen/descriptor.ts";
import { ENUM_NAMES, ENUMS, MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMessage, AnyMethod, FieldSpec } from "../../src/api/method.ts";
import { keep } from "../../src/base/bytes.ts";

/** Of FieldDescriptorProto (google/protobuf/descriptor.proto). */
const TYPES: Readonly<Record<FieldSpec["type"], number>> = {
  int64: 3,
  uint64: 4,
  int32: 5,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
};
const LABEL_OPTIONAL = 1;
const LABEL_REPEATED = 3;

interface Package {
  readonly name: string;
  readonly messages: Map<string, AnyMessage>;
  /** Simple names of enums by the full name of what they are nested in. */
  readonly enums: Map<string, Set<string>>;
  readonly services: Map<string, AnyMethod[]>;
  readonly dependencies: Set<string>;
}

export class Descriptors {
  /** Full names, sorted. */
  readonly services: readonly string[];
  readonly #files = new Map<string, Uint8Array>();
  readonly #dependencies = new Map<string, readonly string[]>();
  /** The file of each message, enum, service and method. */
  readonly #symbols = new Map<string, string>();
  readonly #messages = new Set<string>();

  constructor(methods: readonly AnyMethod[]) {
    const packages = new Map<string, Package>();
    for (const method of methods) collectMethod(packages, method);
    for (const each of packages.values()) this.#addFile(each);
    this.services = [...new Set(methods.map(({ service }) => service))].toSorted();
  }

  /** The file by its name and all that it depends on, itself first; null if there is none. */
  file(name: string): readonly Uint8Array[] | null {
    if (!this.#files.has(name)) return null;
    const names = new Set([name]);
    // A set is walked to its end, what is added meanwhile included.
    for (const each of names) {
      for (const dependency of this.#dependencies.get(each) ?? []) names.add(dependency);
    }
    return [...names].map((each) => present(this.#files.get(each), "a file that was added"));
  }

  /** As `file`, of the one that defines the symbol. */
  fileOf(symbol: string): readonly Uint8Array[] | null {
    const name = this.#symbols.get(symbol);
    return name === undefined ? null : this.file(name);
  }

  isMessage(name: string): boolean {
    return this.#messages.has(name);
  }

  #addFile(each: Package): void {
    const file = fileName(each.name);
    const dependency = [...each.dependencies].map(fileName);
    const outermost = each.enums.get(each.name) ?? new Set();
    const messages = [...each.messages.values()];
    const descriptor = fileDescriptorProto({
      name: file,
      package: each.name,
      dependency,
      messageType: messages.map((message) => describeMessage(each, message)),
      enumType: [...outermost].map(describeEnum),
      service: [...each.services].map(([name, methods]) => describeService(name, methods)),
      syntax: "proto3",
    });
    this.#files.set(file, keep(encodeFileDescriptorProto(descriptor)));
    this.#dependencies.set(file, dependency);
    for (const { fullName } of messages) {
      this.#messages.add(fullName);
      this.#symbols.set(fullName, file);
    }
    for (const names of each.enums.values()) {
      for (const name of names) this.#symbols.set(ENUM_NAMES[name] ?? "", file);
    }
    for (const [name, methods] of each.services) {
      this.#symbols.set(name, file);
      for (const method of methods) this.#symbols.set(`${name}.${method.name}`, file);
    }
  }
}

function fileName(name: string): string {
  return `${name}.proto`;
}

/** `a.b.C` -> `a.b`. */
function outer(fullName: string): string {
  return fullName.slice(0, fullName.lastIndexOf("."));
}

/** `a.b.C` -> `C`. */
function simple(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf(".") + 1);
}

function packageOf(packages: Map<string, Package>, name: string): Package {
  const found = packages.get(name) ?? {
    name,
    messages: new Map(),
    enums: new Map(),
    services: new Map(),
    dependencies: new Set(),
  };
  packages.set(name, found);
  return found;
}

function collectMethod(packages: Map<string, Package>, method: AnyMethod): void {
  const { services, dependencies, name } = packageOf(packages, outer(method.service));
  services.set(method.service, [...(services.get(method.service) ?? []), method]);
  for (const type of [method.requestType, method.responseType]) {
    const message = present(MESSAGES[type], "a message");
    if (outer(message.fullName) !== name) dependencies.add(outer(message.fullName));
    collectMessage(packages, message);
  }
}

function collectMessage(packages: Map<string, Package>, message: AnyMessage): void {
  const { name, messages, dependencies } = packageOf(packages, outer(message.fullName));
  if (messages.has(message.fullName)) return;
  messages.set(message.fullName, message);
  for (const field of message.fields) {
    const type = field.typeName ?? "";
    if (field.type === "message") {
      const inner = present(MESSAGES[type], "a message");
      if (outer(inner.fullName) !== name) dependencies.add(outer(inner.fullName));
      collectMessage(packages, inner);
    } else if (field.type === "enum") {
      const parent = outer(present(ENUM_NAMES[type], "an enum"));
      const home = MESSAGES[simple(parent)]?.fullName === parent ? outer(parent) : parent;
      if (home !== name) dependencies.add(home);
      const { enums } = packageOf(packages, home);
      enums.set(parent, (enums.get(parent) ?? new Set()).add(type));
    }
  }
}

function describeMessage(home: Package, message: AnyMessage): DescriptorProto {
  const oneofs = [
    ...new Set(message.fields.flatMap(({ oneof }) => (oneof === null ? [] : [oneof]))),
  ];
  return descriptorProto({
    name: simple(message.fullName),
    field: message.fields.map((field) => describeField(field, oneofs)),
    enumType: [...(home.enums.get(message.fullName) ?? [])].map(describeEnum),
    oneofDecl: oneofs.map((name) => ({ name })),
  });
}

function describeField(field: FieldSpec, oneofs: readonly string[]): FieldDescriptorProto {
  const type = field.typeName ?? "";
  const target = field.type === "message" ? MESSAGES[type]?.fullName : ENUM_NAMES[type];
  return fieldDescriptorProto({
    name: field.name,
    number: field.number,
    label: field.repeated ? LABEL_REPEATED : LABEL_OPTIONAL,
    type: TYPES[field.type],
    typeName: target === undefined ? "" : `.${target}`,
    oneof: field.oneof === null ? null : { kind: "oneofIndex", value: oneofs.indexOf(field.oneof) },
  });
}

function describeEnum(type: string): EnumDescriptorProto {
  return {
    name: simple(present(ENUM_NAMES[type], "an enum")),
    value: Object.entries(present(ENUMS[type], "an enum")).map(([name, number]) => ({
      name,
      value: { kind: "number" as const, value: number },
    })),
  };
}

function describeService(name: string, methods: readonly AnyMethod[]): ServiceDescriptorProto {
  return {
    name: simple(name),
    method: methods.map(({ name: method, kind, requestType, responseType }) =>
      methodDescriptorProto({
        name: method,
        inputType: `.${MESSAGES[requestType]?.fullName ?? ""}`,
        outputType: `.${MESSAGES[responseType]?.fullName ?? ""}`,
        clientStreaming: kind === "bidiStream",
        serverStreaming: kind !== "unary",
      }),
    ),
  };
}
