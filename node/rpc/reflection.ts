/** Server reflection, under its two names: tools such as grpcurl learn from it what may be called. etcd has none. */
import { METHODS, ServerReflection } from "../../src/api/gen/methods.ts";
import {
  decodeServerReflectionRequest,
  encodeServerReflectionResponse,
  serverReflectionResponse,
} from "../../src/api/gen/reflection.ts";
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "../../src/api/gen/reflection.ts";
import type { AnyMethod } from "../../src/api/method.ts";
import { keep } from "../../src/base/bytes.ts";
import {
  Status,
  type Router,
  type ServerCall,
  type StreamReceiver,
} from "../../src/grpc/service.ts";
import { failWith } from "./answer.ts";
import { Descriptors } from "./descriptors.ts";

const V1 = ServerReflection.serverReflectionInfo;
/** What older tools call; the messages are the same on the wire. */
const ALPHA: AnyMethod = {
  ...V1,
  service: "grpc.reflection.v1alpha.ServerReflection",
  path: "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

export const REFLECTION_PATHS: readonly string[] = [V1.path, ALPHA.path];

type Answer = ServerReflectionResponse["messageResponse"];

export class Reflection {
  readonly #router: Router;
  /** Built when first asked for. */
  #descriptors: Descriptors | null = null;

  constructor(router: Router) {
    this.#router = router;
  }

  open(call: ServerCall): StreamReceiver {
    return {
      onMessage: (message) => {
        try {
          this.#answer(call, decodeServerReflectionRequest(keep(message)));
        } catch (error) {
          failWith(call, error);
        }
      },
      onHalfClose: () => call.end(Status.ok, ""),
      onClose() {},
    };
  }

  #answer(call: ServerCall, request: ServerReflectionRequest): void {
    const messageResponse = this.#find(request.messageRequest);
    if (messageResponse === null) {
      call.end(Status.invalidArgument, "a reflection request that asks for nothing");
      return;
    }
    const validHost = request.host;
    const response = { validHost, originalRequest: request, messageResponse };
    call.send(encodeServerReflectionResponse(serverReflectionResponse(response)));
  }

  #find(request: ServerReflectionRequest["messageRequest"]): Answer {
    const descriptors = (this.#descriptors ??= new Descriptors(
      [...METHODS, ALPHA].filter(({ path }) => this.#router.has(path)),
    ));
    switch (request?.kind) {
      case "listServices": {
        const service = descriptors.services.map((name) => ({ name }));
        return { kind: "listServicesResponse", value: { service } };
      }
      case "fileByFilename":
        return filesOrNotFound(descriptors.file(request.value), request.value);
      case "fileContainingSymbol":
        return filesOrNotFound(descriptors.fileOf(request.value), request.value);
      case "allExtensionNumbersOfType":
        if (!descriptors.isMessage(request.value)) return notFound(request.value);
        return {
          kind: "allExtensionNumbersResponse",
          value: { baseTypeName: request.value, extensionNumber: [] },
        };
      case "fileContainingExtension":
        return notFound(
          `extension ${request.value.extensionNumber} of ${request.value.containingType}`,
        );
      default:
        return null;
    }
  }
}

function filesOrNotFound(files: readonly Uint8Array[] | null, name: string): Answer {
  if (files === null) return notFound(name);
  return { kind: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

function notFound(name: string): Answer {
  const errorMessage = `not found: ${name}`;
  return { kind: "errorResponse", value: { errorCode: Status.notFound, errorMessage } };
}
