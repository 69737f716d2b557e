/** Memory for large responses that are being built: further ones wait their turn. */
export class ResponseBudget {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when another response may begin. One that has begun may pass the limit: it would wait for itself. */
  async enter(): Promise<void> {
    while (this.#bytes >= this.#bytesMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes < this.#bytesMax) this.#waiting.shift()?.();
  }
}
