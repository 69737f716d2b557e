/** Steady load: distinct keys, so many a second, each repeated until it is acknowledged. */
import { FailoverClient, type Fields } from "./client.ts";

export interface Written {
  /** Key to the revision in the acknowledgement. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Puts that were given up after 15 s. */
  readonly failed: number;
}

const TICK_MS = 20;
/** Beyond this many puts under way no more are begun: an outage must not grow a heap of calls. */
const UNDER_WAY_MAX = 2000;

export class Writer {
  readonly #client: FailoverClient;
  readonly #prefix: string;
  readonly #value: Buffer;
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<void>>();
  readonly #acknowledged = new Map<string, number>();
  readonly #latencies: number[] = [];
  #begun = 0;
  #failed = 0;

  constructor(endpoints: readonly string[], prefix: string, perSecond: number, valueBytes = 64) {
    this.#client = new FailoverClient(endpoints);
    this.#prefix = prefix;
    this.#value = Buffer.alloc(valueBytes, "v");
    const perTick = (perSecond * TICK_MS) / 1000;
    this.#timer = setInterval(() => {
      for (let n = 0; n < perTick && this.#underWay.size < UNDER_WAY_MAX; n++) this.#begin();
    }, TICK_MS);
    // A test that fails ends without stopping it.
    this.#timer.unref();
  }

  /** Milliseconds of every put since the last call of this. */
  takeLatencies(): number[] {
    return this.#latencies.splice(0);
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  #begin(): void {
    const put = this.#put(`${this.#prefix}${String(this.#begun++).padStart(8, "0")}`);
    this.#underWay.add(put);
    void put.finally(() => this.#underWay.delete(put));
  }

  async #put(key: string): Promise<void> {
    const began = performance.now();
    try {
      const answer = await this.#client.call("KV/Put", {
        key: Buffer.from(key),
        value: this.#value,
      });
      this.#acknowledged.set(key, Number((answer["header"] as Fields)["revision"]));
      this.#latencies.push(performance.now() - began);
    } catch {
      this.#failed++;
    }
  }

  /** Begins no more and waits for what is under way. */
  async stop(): Promise<Written> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#client.close();
    return { acknowledged: this.#acknowledged, failed: this.#failed };
  }
}
