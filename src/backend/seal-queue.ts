/** Who waits until everything up to a seal is in the store, oldest first. */
import { deferred, type Deferred } from "../base/deferred.ts";

export class SealQueue<T> {
  readonly #waiting: { readonly seal: number; readonly done: Deferred<T> }[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** `seal` is at least that of the one before. Settled by the two below. */
  async wait(seal: number): Promise<T> {
    const done = deferred<T>();
    this.#waiting.push({ seal, done });
    return await done.promise;
  }

  /** Everything up to `seal` has landed: each who waited for no more gets an answer of its own. */
  landed(seal: number, answer: () => T): void {
    while (this.#waiting.length > 0 && (this.#waiting[0]?.seal ?? 0) <= seal) {
      this.#waiting.shift()?.done.resolve(answer());
    }
  }

  fail(error: unknown): void {
    for (const { done } of this.#waiting.splice(0)) done.reject(error);
  }
}
