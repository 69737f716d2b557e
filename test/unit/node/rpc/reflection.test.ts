import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import protobuf from "protobufjs";
import { METHODS } from "../../../../src/api/gen/methods.ts";
import {
  decodeServerReflectionResponse,
  encodeServerReflectionRequest,
  serverReflectionRequest,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../../../src/api/gen/reflection.ts";
import { ENUM_NAMES, ENUMS, MESSAGES } from "../../../../src/api/gen/registry.ts";
import type { AnyMessage } from "../../../../src/api/method.ts";
import { Status, type Method } from "../../../../src/grpc/service.ts";
import { LocalCalls } from "../../../../node/rpc/local-call.ts";
import { Reflection, REFLECTION_PATHS } from "../../../../node/rpc/reflection.ts";

/** protobufjs' own definitions of descriptors: a second opinion on ours. */
const descriptors = protobuf.loadSync(
  createRequire(import.meta.url).resolve("protobufjs/google/protobuf/descriptor.proto"),
);
const FILE = descriptors.lookupType("google.protobuf.FileDescriptorProto");

interface Described {
  readonly name: string;
  readonly package: string;
  readonly dependency?: readonly string[];
  readonly messageType?: readonly {
    readonly name: string;
    readonly field?: readonly Record<string, unknown>[];
    readonly oneofDecl?: readonly { readonly name: string }[];
    readonly enumType?: readonly DescribedEnum[];
  }[];
  readonly enumType?: readonly DescribedEnum[];
  readonly service?: readonly {
    readonly name: string;
    readonly method: readonly Record<string, unknown>[];
  }[];
}
interface DescribedEnum {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

/** Answers of the service that runs with every public method. */
function ask(
  path: string,
  ...requests: ServerReflectionRequest["messageRequest"][]
): ServerReflectionResponse[] {
  const nothing: Method = { kind: "unary", handle() {}, onCancel: null };
  const router = new Map<string, Method>(
    METHODS.filter(({ service }) => service !== "quorate.Peer").map((method) => [
      method.path,
      nothing,
    ]),
  );
  const reflection = new Reflection(router);
  for (const each of REFLECTION_PATHS) {
    router.set(each, { kind: "bidiStream", open: (call) => reflection.open(call) });
  }
  const local = new LocalCalls({
    router,
    observer: null,
    onError: (error) => assert.fail(String(error)),
  });
  const answers: ServerReflectionResponse[] = [];
  let ended: Status | null = null;
  const caller = { header: () => undefined, remoteAddress: "", certificate: null };
  const stream = local.openStream(caller, path, {
    onMessage: (message) => answers.push(decodeServerReflectionResponse(message)),
    onEnd: (status) => (ended = status),
  });
  for (const messageRequest of requests) {
    const request = serverReflectionRequest({ host: "here", messageRequest });
    stream.write(Buffer.from(encodeServerReflectionRequest(request)));
  }
  stream.halfClose();
  assert.equal(ended, Status.ok);
  return answers;
}

function filesOf(answer: ServerReflectionResponse | undefined): Described[] {
  assert.ok(answer?.messageResponse?.kind === "fileDescriptorResponse");
  const options = { arrays: false, enums: Number, longs: Number } as const;
  return answer.messageResponse.value.fileDescriptorProto.map(
    (bytes) => FILE.toObject(FILE.decode(bytes), options) as Described,
  );
}

/** Every file, found through the services. */
function everything(): Map<string, Described> {
  const [list] = ask(REFLECTION_PATHS[0] ?? "", { kind: "listServices", value: "" });
  assert.ok(list?.messageResponse?.kind === "listServicesResponse");
  const files = new Map<string, Described>();
  for (const { name } of list.messageResponse.value.service) {
    const [answer] = ask(REFLECTION_PATHS[0] ?? "", { kind: "fileContainingSymbol", value: name });
    for (const file of filesOf(answer)) files.set(file.name, file);
  }
  return files;
}

describe("reflection", () => {
  it("lists every service that is served, and itself under both names", () => {
    for (const path of REFLECTION_PATHS) {
      const [answer] = ask(path, { kind: "listServices", value: "*" });
      assert.ok(answer?.messageResponse?.kind === "listServicesResponse");
      assert.deepEqual(
        answer.messageResponse.value.service.map(({ name }) => name),
        [
          "etcdserverpb.Auth",
          "etcdserverpb.Cluster",
          "etcdserverpb.KV",
          "etcdserverpb.Lease",
          "etcdserverpb.Maintenance",
          "etcdserverpb.Watch",
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          "v3electionpb.Election",
          "v3lockpb.Lock",
        ],
      );
      assert.equal(answer.validHost, "here");
      assert.equal(answer.originalRequest?.messageRequest?.kind, "listServices");
    }
  });

  it("describes each message field by field, and each service method by method", () => {
    const types = {
      bool: 8,
      bytes: 12,
      string: 9,
      int32: 5,
      uint32: 13,
      int64: 3,
      uint64: 4,
      enum: 14,
      message: 11,
    };
    let seen = 0;
    for (const file of everything().values()) {
      for (const { name, field = [], oneofDecl = [] } of file.messageType ?? []) {
        const spec = Object.values(MESSAGES).find(
          ({ fullName }) => fullName === `${file.package}.${name}`,
        ) as AnyMessage;
        seen++;
        assert.deepEqual(
          field.map((each) => [
            each["name"],
            each["number"],
            each["type"],
            each["label"],
            each["typeName"] ?? "",
            each["oneofIndex"] === undefined ? null : oneofDecl[each["oneofIndex"] as number]?.name,
          ]),
          spec.fields.map((each) => [
            each.name,
            each.number,
            types[each.type],
            each.repeated ? 3 : 1,
            each.type === "message"
              ? `.${MESSAGES[each.typeName ?? ""]?.fullName}`
              : each.type === "enum"
                ? `.${ENUM_NAMES[each.typeName ?? ""]}`
                : "",
            each.oneof,
          ]),
          spec.fullName,
        );
      }
    }
    assert.ok(seen > 90, "the messages were found");
    const services = [...everything().values()].flatMap(({ package: home, service = [] }) =>
      service.flatMap(({ name, method }) =>
        method.map((each) => [
          `/${home}.${name}/${String(each["name"])}`,
          each["clientStreaming"] ?? false,
          each["serverStreaming"] ?? false,
        ]),
      ),
    );
    for (const { path, kind, service } of METHODS.filter(
      (each) => each.service !== "quorate.Peer",
    )) {
      const found = services.find(([name]) => name === path);
      assert.deepEqual(found, [path, kind === "bidiStream", kind !== "unary"], service);
    }
  });

  it("describes enums where they are nested, with their zeros", () => {
    const [kv] = filesOf(
      ask(REFLECTION_PATHS[0] ?? "", {
        kind: "fileContainingSymbol",
        value: "etcdserverpb.RangeRequest.SortOrder",
      })[0],
    );
    const range = kv?.messageType?.find(({ name }) => name === "RangeRequest");
    const order = range?.enumType?.find(({ name }) => name === "SortOrder");
    assert.deepEqual(
      Object.fromEntries(order?.value.map(({ name, number }) => [name, number]) ?? []),
      ENUMS["SortOrder"],
    );
    assert.ok(kv?.enumType?.some(({ name }) => name === "AlarmType"));
  });

  it("sends a file with all that it depends on, itself first", () => {
    const [answer] = ask(REFLECTION_PATHS[1] ?? "", {
      kind: "fileByFilename",
      value: "v3electionpb.proto",
    });
    const files = filesOf(answer);
    assert.equal(files[0]?.name, "v3electionpb.proto");
    const names = new Set(files.map(({ name }) => name));
    for (const { dependency = [] } of files)
      for (const each of dependency) assert.ok(names.has(each));
    assert.ok(names.has("mvccpb.proto"));
  });

  it("says what it has not, and that nothing is extended", () => {
    const answers = ask(
      REFLECTION_PATHS[0] ?? "",
      { kind: "fileByFilename", value: "nothing.proto" },
      { kind: "fileContainingSymbol", value: "quorate.Peer" },
      { kind: "fileContainingExtension", value: { containingType: "x", extensionNumber: 1 } },
      { kind: "allExtensionNumbersOfType", value: "x" },
      { kind: "allExtensionNumbersOfType", value: "etcdserverpb.PutRequest" },
    );
    const codes = answers.map(({ messageResponse }) =>
      messageResponse?.kind === "errorResponse"
        ? messageResponse.value.errorCode
        : messageResponse?.kind,
    );
    assert.deepEqual(codes, [5, 5, 5, 5, "allExtensionNumbersResponse"]);
  });
});
