/** The JSON of a request as the message that a method takes. */
import { present } from "../../src/base/assert.ts";
import { keep } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { MESSAGES } from "../../src/api/gen/registry.ts";
import type { AnyMethod } from "../../src/api/method.ts";
import { decodeJson } from "./json-decode.ts";

/** What a message may take as JSON: base64 and names included. */
export function textSizeMax(messageBytesMax: number): number {
  return messageBytesMax * 2;
}

/** Owned by the caller. `text` is a value that was checked; null is an empty message. */
export function encodeRequest(
  method: AnyMethod,
  text: string | null,
  bytesMax: number,
): Uint8Array {
  const type = present(MESSAGES[method.requestType], "a message");
  const message = keep(type.encode(text === null ? type.create() : decodeJson(type, text)));
  if (message.length <= bytesMax) return message;
  throw tooLarge(message.length, bytesMax);
}

/** As a gRPC server says it. */
export function tooLarge(bytes: number, bytesMax: number): QuorateError {
  const text = `grpc: received message larger than max (${bytes} vs. ${bytesMax})`;
  return new QuorateError("resourceExhausted", text);
}
