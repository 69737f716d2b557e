/** What waits on one connection for its client, and who adds to it only once there is less. */
import { CROWDED_BYTES } from "./limits.ts";

/** Unary replies have one and the messages of streams another, so that streams that nobody reads hold up no reply. */
export class Backlog {
  /** Accepted and not yet given to the socket. */
  bytes = 0;
  #waiting: (() => void)[] = [];

  /** Whether what can be made later should be. */
  get isCrowded(): boolean {
    return this.bytes >= CROWDED_BYTES;
  }

  /** Whether `settle` has something to do. */
  get isDue(): boolean {
    return this.#waiting.length > 0 && this.bytes <= CROWDED_BYTES / 2;
  }

  /** Calls back from `settle`, in the order in which it was asked. */
  onRoom(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** Once half of it is gone, lets in who waits until it is crowded again. With no service on the stack. */
  settle(): void {
    if (!this.isDue) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    let next = 0;
    try {
      while (next < waiting.length && !this.isCrowded) waiting[next++]?.();
    } finally {
      // Behind them is who came meanwhile.
      if (next < waiting.length) this.#waiting = [...waiting.slice(next), ...this.#waiting];
    }
  }

  /** The connection is gone: nobody is called any more. */
  clear(): void {
    this.#waiting = [];
  }
}
