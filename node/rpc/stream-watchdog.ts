/** Ends the streams that asked for a leader (`hasleader`) once there has been none for three election timeouts. */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import type { ServerCall, StreamReceiver } from "../../src/grpc/service.ts";
import { fail } from "./answer.ts";

const POLLS_WITHOUT_LEADER = 3;

export class StreamWatchdog {
  readonly #guarded = new Set<ServerCall>();
  #misses = 0;

  /** The receiver, with its call under watch until it closes. */
  guard(call: ServerCall, receiver: StreamReceiver): StreamReceiver {
    this.#guarded.add(call);
    return {
      onMessage: (message) => receiver.onMessage(message),
      onHalfClose: () => receiver.onHalfClose(),
      onClose: () => {
        this.#guarded.delete(call);
        receiver.onClose();
      },
    };
  }

  /** Once an election timeout. */
  poll(hasLeader: boolean): void {
    this.#misses = hasLeader ? 0 : this.#misses + 1;
    if (this.#misses < POLLS_WITHOUT_LEADER) return;
    this.#misses = 0;
    for (const call of Array.from(this.#guarded)) fail(call, API_ERRORS.noLeader);
  }
}
