/** Time that tests own: it stands still until one of them lets it run. */
import assert from "node:assert/strict";
import type { Time } from "../../operator/time.ts";
import { Schedule } from "../sim/clock.ts";

/** Monday, so that schedules read well. */
const STARTS_AT = Date.UTC(2026, 0, 5);

export class VirtualTime implements Time {
  readonly #schedule = new Schedule();

  now(): number {
    return this.#schedule.now();
  }

  wall(): number {
    return STARTS_AT + this.#schedule.now();
  }

  after(milliseconds: number, act: () => void): () => void {
    let planned = true;
    this.#schedule.after(Math.max(0, milliseconds), () => {
      if (planned) act();
    });
    return () => {
      planned = false;
    };
  }

  /** Lets what is ready happen, then everything due within `milliseconds`, each step after the promises of the last. */
  async run(milliseconds: number): Promise<void> {
    const end = this.now() + milliseconds;
    do await settle();
    while (this.#schedule.step(end));
    this.#schedule.runUntil(end);
  }

  /** As `run`, until `holds`; fails after `milliseconds` without. */
  async until(
    what: string,
    milliseconds: number,
    holds: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const end = this.now() + milliseconds;
    for (;;) {
      await settle();
      if (await holds()) return;
      assert.ok(this.#schedule.step(end), `not within ${milliseconds} ms: ${what}`);
    }
  }
}

/** Every promise that waits for nothing but promises has come to rest. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
