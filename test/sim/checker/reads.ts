/**
 * Linearizable reads: one confirmed at an index sees everything that any client could have learned before the read began. What a
 * client learned was applied somewhere, so the index is not below the last that any member had applied by then.
 */
import { demand } from "./violation.ts";

export class ReadJudge {
  /** By request: the last applied index when it was issued. */
  readonly #floors = new Map<number, number>();
  #confirmed = 0;
  #lost = 0;

  get confirmed(): number {
    return this.#confirmed;
  }
  get lost(): number {
    return this.#lost;
  }

  issued(request: number, applied: number): void {
    this.#floors.set(request, applied);
  }

  confirmedAt(request: number, index: number): void {
    const floor = this.#floors.get(request);
    demand(floor !== undefined, "a read is answered once, and only if it was asked", () => {
      return `request ${request} at ${index}`;
    });
    demand(index >= floor, "a read sees every write acknowledged before it", () => {
      return `request ${request} at ${index}, although ${floor} was applied before it was asked`;
    });
    this.#floors.delete(request);
    this.#confirmed++;
  }

  /** The member gave up: the client gets an error, and this request must never be answered. */
  gaveUp(request: number): void {
    demand(this.#floors.delete(request), "only an open read is lost", () => `request ${request}`);
    this.#lost++;
  }

  /** The member died with its open reads. */
  forget(requests: Iterable<number>): void {
    for (const request of requests) this.#floors.delete(request);
  }
}
