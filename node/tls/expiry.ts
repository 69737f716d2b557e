/** Says in time that a certificate ends. */
import type { Logger } from "../../src/base/ports.ts";
import type { Held } from "./material.ts";

const DAY_MS = 24 * 3_600_000;
/** So long before the end it is said, or in the last fifth of a short life: who renews daily would hear of nothing else. */
const AHEAD_MS = 14 * DAY_MS;
const LIFE_SHARE = 5;

export class ExpiryWatch {
  readonly #logger: Logger;
  /** When each certificate, by use and serial, was spoken of last. */
  #toldMs = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Called every few seconds; says each thing once a day. */
  check(held: readonly Held[], now: Date): void {
    const told = new Map<string, number>();
    for (const { use, path, serial, notBefore, notAfter } of held) {
      const leftMs = notAfter.getTime() - now.getTime();
      const life = notAfter.getTime() - notBefore.getTime();
      if (leftMs > Math.min(AHEAD_MS, life / LIFE_SHARE)) continue;
      const name = `${use} ${serial} ${leftMs <= 0}`;
      const last = this.#toldMs.get(name);
      const due = last === undefined || now.getTime() - last >= DAY_MS;
      told.set(name, due ? now.getTime() : last);
      if (!due) continue;
      const fields = { use, path, serial, notAfter: notAfter.toISOString() };
      if (leftMs <= 0) this.#logger.error(fields, "a certificate has expired");
      else this.#logger.warn(fields, "a certificate expires soon");
    }
    this.#toldMs = told;
  }
}
