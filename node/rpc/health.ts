/** grpc.health.v1: one service, the empty name; SERVING from the moment on that the member is ready. */
import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  ServingStatus,
} from "../../src/api/gen/health.ts";
import { Status, type ServerCall, type StreamReceiver } from "../../src/grpc/service.ts";
import { failWith } from "./answer.ts";

export class HealthService {
  #status: number = ServingStatus.notServing;
  /** Streams that asked for the member's health. */
  readonly #watching = new Set<ServerCall>();

  /** A linearizable read has succeeded. */
  setServing(): void {
    this.#status = ServingStatus.serving;
    for (const call of this.#watching) this.#tell(call);
  }

  check(call: ServerCall, message: Uint8Array): void {
    try {
      const { service } = decodeHealthCheckRequest(message);
      if (service !== "") call.end(Status.notFound, "unknown service");
      else call.reply(encodeHealthCheckResponse({ status: this.#status }));
    } catch (error) {
      failWith(call, error);
    }
  }

  /** Says how it is, and again when it changes. */
  openWatch(call: ServerCall): StreamReceiver {
    return {
      onMessage: (message) => {
        try {
          if (decodeHealthCheckRequest(message).service === "") {
            this.#watching.add(call);
            this.#tell(call);
          } else {
            call.send(encodeHealthCheckResponse({ status: ServingStatus.serviceUnknown }));
          }
        } catch (error) {
          failWith(call, error);
        }
      },
      onHalfClose() {},
      onClose: () => this.#watching.delete(call),
    };
  }

  #tell(call: ServerCall): void {
    call.send(encodeHealthCheckResponse({ status: this.#status }));
  }
}
