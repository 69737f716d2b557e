/** Revisions that readers still need: no compaction passes them physically. */
import { assert } from "../base/assert.ts";
import { deferred, type Deferred } from "../base/deferred.ts";
import { SUB_MAX } from "./key-index.ts";

/** A point in the history: everything up to (main, sub), that one included. */
export interface Position {
  readonly main: number;
  readonly sub: number;
}

/** One pinned position; must be released once. */
export class Pin implements Position {
  readonly main: number;
  readonly sub: number;
  readonly #pins: Pins;
  #released = false;

  constructor(pins: Pins, main: number, sub: number) {
    this.#pins = pins;
    this.main = main;
    this.sub = sub;
  }

  release(): void {
    assert(!this.#released, "a pin is released once");
    this.#released = true;
    this.#pins.unpin(this);
  }
}

export class Pins {
  /** How many pins need the state at the end of a main revision. */
  readonly #counts = new Map<number, number>();
  #waiting: { readonly main: number; readonly done: Deferred<void> }[] = [];

  get count(): number {
    let count = 0;
    for (const of of this.#counts.values()) count += of;
    return count;
  }

  pin(main: number, sub: number = SUB_MAX): Pin {
    const pin = new Pin(this, main, sub);
    const floor = floorOf(pin);
    this.#counts.set(floor, (this.#counts.get(floor) ?? 0) + 1);
    return pin;
  }

  unpin(pin: Pin): void {
    const floor = floorOf(pin);
    const count = this.#counts.get(floor);
    assert(count !== undefined && count > 0, "what is released was pinned");
    if (count > 1) {
      this.#counts.set(floor, count - 1);
      return;
    }
    this.#counts.delete(floor);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (this.#blocks(waiter.main)) this.#waiting.push(waiter);
      else waiter.done.resolve();
    }
  }

  /** Resolves once no pin needs a revision below `main`. */
  async clearBelow(main: number): Promise<void> {
    if (!this.#blocks(main)) return;
    const done = deferred<void>();
    this.#waiting.push({ main, done });
    await done.promise;
  }

  /** Ends all waiting, because the store closes: who waited looks whether it did. */
  letPass(): void {
    for (const { done } of this.#waiting.splice(0)) done.resolve();
  }

  #blocks(main: number): boolean {
    for (const floor of this.#counts.keys()) if (floor < main) return true;
    return false;
  }
}

/** A position inside a main revision needs what that revision replaced. */
function floorOf(pin: Position): number {
  return pin.sub === SUB_MAX ? pin.main : pin.main - 1;
}
