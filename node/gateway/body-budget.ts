/** What clients may have sent of requests that are not complete, in all: a gRPC connection is bounded, HTTP/1.1 has many. */
import { QuorateError } from "../../src/base/errors.ts";

const BYTES_MAX = 256 * 1024 * 1024;

export class BodyBudget {
  #bytes = 0;

  /** Another request's share. */
  open(): BodyShare {
    return new BodyShare((change) => {
      if (change > 0 && this.#bytes + change > BYTES_MAX) {
        throw new QuorateError("resourceExhausted", "too many unfinished requests");
      }
      this.#bytes += change;
    });
  }
}

/** What one request holds. */
export class BodyShare {
  readonly #change: (bytes: number) => void;
  #held = 0;

  /** `change` throws where there is no room. */
  constructor(change: (bytes: number) => void) {
    this.#change = change;
  }

  /** It holds so many bytes now. Throws where that is too much for all together. */
  hold(bytes: number): void {
    this.#change(bytes - this.#held);
    this.#held = bytes;
  }
}
