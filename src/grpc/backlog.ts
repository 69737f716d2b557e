/** What waits on one connection for its client, and who adds to it only once there is less. */
import { CROWDED_BYTES } from "./limits.ts";

/** Unary replies have one and the messages of streams another, so that streams that nobody reads hold up no reply. */
export class Backlog {
  /** Accepted and not yet given to the socket. */
  bytes = 0;
  /** In the order in which they asked. */
  readonly #waiting = new Set<() => void>();

  /** Whether what can be made later should be. */
  get isCrowded(): boolean {
    return this.bytes >= CROWDED_BYTES;
  }

  /** Whether `settle` has something to do. */
  get isDue(): boolean {
    return this.#waiting.size > 0 && this.bytes <= CROWDED_BYTES / 2;
  }

  /** Calls back once, from `settle`, in the order in which it was asked. */
  onRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  /** Who asked with this callback does not wait any more. */
  forget(callback: () => void): void {
    this.#waiting.delete(callback);
  }

  /** Once half of it is gone, lets in who waits until it is crowded again. With no service on the stack. */
  settle(): void {
    if (!this.isDue) return;
    for (const callback of this.#waiting) {
      if (this.isCrowded) return;
      this.#waiting.delete(callback);
      callback();
    }
  }

  /** The connection is gone: nobody is called any more. */
  clear(): void {
    this.#waiting.clear();
  }
}
