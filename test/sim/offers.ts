/** States that a member offered to followers, kept while their streams may be under way. */
import type { Index } from "../../src/raft/types.ts";
import type { MachineImage } from "./machine.ts";

const OFFERS_MAX = 8;

export class Offers {
  readonly #images = new Map<Index, MachineImage>();

  get(index: Index): MachineImage | undefined {
    return this.#images.get(index);
  }

  /** Beyond `OFFERS_MAX` the oldest goes. */
  put(image: MachineImage): void {
    this.#images.delete(image.mark.index);
    this.#images.set(image.mark.index, image);
    if (this.#images.size <= OFFERS_MAX) return;
    for (const oldest of this.#images.keys()) {
      this.#images.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.#images.clear();
  }
}
