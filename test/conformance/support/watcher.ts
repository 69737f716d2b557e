/** A watch over a prefix that goes on, on another member, after the revision that it saw last. */
import assert from "node:assert/strict";
import { type Fields, MemberClient } from "./client.ts";
import { until } from "./tools.ts";

/** No answer for so long, and no progress notice asked for and given: the member is taken for dead. */
const SILENT_MS = 2000;

export class ResumingWatcher {
  readonly #clients: readonly MemberClient[];
  readonly #prefix: Buffer;
  readonly #events: { readonly key: string; readonly revision: number }[] = [];
  readonly #keys = new Set<string>();
  #current = 0;
  #nextRevision = 1;
  #closed = false;
  #resumes = 0;

  constructor(endpoints: readonly string[], prefix: string) {
    this.#clients = endpoints.map((endpoint) => new MemberClient(endpoint));
    this.#prefix = Buffer.from(prefix);
    void this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#once();
      } catch {
        // The member went away: the next one, from where this one stopped.
      }
      this.#current = (this.#current + 1) % this.#clients.length;
      this.#resumes++;
      // A test that fails ends without closing it.
      await new Promise((resolve) => setTimeout(resolve, 50).unref());
    }
  }

  async #once(): Promise<void> {
    const stream = this.#clients[this.#current]?.open("Watch/Watch");
    if (stream === undefined) return;
    const rangeEnd = Buffer.from(this.#prefix);
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    stream.write({
      createRequest: { key: this.#prefix, rangeEnd, startRevision: this.#nextRevision },
    });
    const silent = setTimeout(() => stream.cancel(), SILENT_MS).unref();
    try {
      for await (const answer of stream as AsyncIterable<Fields>) {
        silent.refresh();
        if (answer["canceled"] === true) throw new Error(String(answer["cancelReason"]));
        this.#take(answer["events"] as Fields[]);
        if (this.#closed) break;
      }
    } finally {
      clearTimeout(silent);
      stream.cancel();
    }
  }

  #take(events: readonly Fields[]): void {
    for (const { kv } of events) {
      const { key, modRevision } = kv as Fields;
      this.#events.push({ key: String(key), revision: Number(modRevision) });
      this.#keys.add(String(key));
      this.#nextRevision = Number(modRevision) + 1;
    }
  }

  /** Waits until every acknowledged key was seen. */
  async caughtUp(acknowledged: ReadonlyMap<string, number>): Promise<void> {
    await until("the watcher has seen every acknowledged put", 30_000, () =>
      [...acknowledged.keys()].every((key) => this.#keys.has(key)),
    );
    this.#closed = true;
    for (const client of this.#clients) client.close();
  }

  /** Revisions only rise (each of these puts has its own), and each acknowledged one was seen. */
  assertNoGapNoRepeat(acknowledged: ReadonlyMap<string, number>): void {
    const seen = new Set(this.#events.map(({ key, revision }) => `${key}@${revision}`));
    const repeats = this.#events.filter(
      ({ revision }, at) => revision <= (this.#events[at - 1]?.revision ?? 0),
    );
    assert.deepEqual(repeats, [], `events come once and in order, over ${this.#resumes} resumes`);
    const missing = [...acknowledged].filter(([key, revision]) => !seen.has(`${key}@${revision}`));
    assert.deepEqual(missing, [], "no acknowledged revision was left out");
  }
}
