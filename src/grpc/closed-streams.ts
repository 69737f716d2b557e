/** How a stream that is no longer open came to its end. */
export const Closing = { unknown: 0, ended: 1, resetByUs: 2 } as const;
export type Closing = (typeof Closing)[keyof typeof Closing];

const SLOTS = 1024;
const MASK = SLOTS - 1;

/**
 * The last streams that ended, so that a late frame gets the answer RFC 9113 section 5.1 asks for: to a stream that we
 * reset it is to be expected, to one that ended it is an error. Older ones are `unknown`.
 */
export class ClosedStreams {
  /** Stream id, negative where we reset it. */
  readonly #ids: Int32Array = new Int32Array(SLOTS);
  #next = 0;

  add(streamId: number, byUs: boolean): void {
    this.#ids[this.#next] = byUs ? -streamId : streamId;
    this.#next = (this.#next + 1) & MASK;
  }

  /** Looks through all: only for frames that should not have come. */
  find(streamId: number): Closing {
    if (this.#ids.includes(-streamId)) return Closing.resetByUs;
    return this.#ids.includes(streamId) ? Closing.ended : Closing.unknown;
  }
}
