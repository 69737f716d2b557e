/** grpc.health.v1: one service, the empty name; SERVING from the moment the member is ready. */
import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  ServingStatus,
} from "../../src/api/gen/health.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { failWith } from "./answer.ts";

const SERVING = { status: ServingStatus.serving } as const;
const UNKNOWN = { status: ServingStatus.serviceUnknown } as const;

export function check(call: ServerCall, message: Uint8Array): void {
  if (decodeHealthCheckRequest(message).service === "")
    call.reply(encodeHealthCheckResponse(SERVING));
  else call.end(Status.notFound, "unknown service");
}

/** Says how it is, and then nothing: it does not change while the member serves. */
export function openWatch(call: ServerCall): StreamReceiver {
  return {
    onMessage(message) {
      try {
        const known = decodeHealthCheckRequest(message).service === "";
        call.send(encodeHealthCheckResponse(known ? SERVING : UNKNOWN));
      } catch (error) {
        failWith(call, error);
      }
    },
    onHalfClose() {},
    onClose() {},
  };
}
