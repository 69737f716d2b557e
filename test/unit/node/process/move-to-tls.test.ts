/** A cluster that moves from plaintext to TLS and back while it is written to: first both are accepted, then one required. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Client } from "../../../../src/client/client.ts";
import { until } from "../../../conformance/support/tools.ts";
import { type Movers, secured, withMovers } from "./movers.ts";

/** A restart hands the lead over in a few turns: what is longer is an outage. On a busy machine everything takes longer. */
const GAP_MS_MAX = 2_500;
const WRITERS = 4;
/** There and back, two for each of three members. */
const RESTARTS = 12;
const UNKNOWN_FATE =
  /etcdserver: (?:leader changed|request timed out, possibly due to connection lost)$/;

/** Puts keys one after the other, some at a time; what was acknowledged is kept, and when. */
class Writer {
  readonly acknowledged: string[] = [];
  gapMs = 0;
  readonly failures: string[] = [];
  readonly #client: Client;
  readonly #loops: Promise<void>[];
  #lastMs = performance.now();
  #stopped = false;

  constructor(client: Client) {
    this.#client = client;
    this.#loops = Array.from({ length: WRITERS }, (_, at) => this.#keepPutting(at));
  }

  async #keepPutting(writer: number): Promise<void> {
    for (let at = 0; !this.#stopped; at++) {
      const key = `w${writer}/${at}`;
      await this.#client.kv.put(key, key).then(
        () => this.#onAcknowledged(key),
        (error: unknown) => void this.failures.push(String(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #onAcknowledged(key: string): void {
    const nowMs = performance.now();
    this.gapMs = Math.max(this.gapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.acknowledged.push(key);
  }

  /** Until something was acknowledged that was not asked for before. */
  async more(): Promise<void> {
    const count = this.acknowledged.length + 2 * WRITERS;
    await until("further writes", 10_000, () => this.acknowledged.length >= count);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }
}

async function refuses(client: Client): Promise<void> {
  try {
    await assert.rejects(client.kv.get("any", { timeoutMs: 1_500 }));
  } finally {
    client.close();
  }
}

async function moveThere(movers: Movers, client: Client, writer: Writer): Promise<void> {
  const { members } = movers.cluster;
  await movers.restartAll("both", "http");
  await movers.movePeerUrls(client, "https:");
  await movers.awaitPlaintextLinks(0);
  client.setEndpoints(movers.urls.map(secured));
  await writer.more();
  await movers.restartAll("tls", "https");
  await writer.more();
  await Promise.all(movers.urls.map((url) => refuses(movers.client([url]))));
  assert.deepEqual(
    (await client.cluster.list()).flatMap((of) => [...of.peerUrls, ...of.clientUrls]).toSorted(),
    members.flatMap((of) => [secured(of.peerUrl), secured(of.clientUrl)]).toSorted(),
  );
}

async function moveBack(movers: Movers, client: Client, writer: Writer): Promise<void> {
  await movers.restartAll("both", "https");
  await movers.movePeerUrls(client, "http:");
  await movers.awaitPlaintextLinks(2);
  client.setEndpoints(movers.urls);
  await writer.more();
  await movers.restartAll("plaintext", "http");
  await writer.more();
  await Promise.all(movers.urls.map((url) => refuses(movers.client([secured(url)]))));
}

describe("a cluster whose listeners take TLS and plaintext", () => {
  it("moves from plaintext to TLS and back while it is written to, and loses no acknowledged write", async () => {
    await withMovers(3, async (movers) => {
      const { cluster } = movers;
      for (const member of cluster.members) movers.start(member, "plaintext", "http");
      await cluster.awaitHealthy();
      const client = movers.client(movers.urls);
      const seen: string[] = [];
      const watch = client.watch({ prefix: "w" }, { fromRevision: 1 });
      const watching = watch.run(({ events }) => {
        for (const { row } of events) seen.push(row.keyText);
      });
      const writer = new Writer(client);
      await writer.more();
      await moveThere(movers, client, writer);
      await moveBack(movers, client, writer);
      await writer.stop();

      const { rows } = await client.kv.getAll({ prefix: "w" });
      const kept = new Set(rows.map((row) => row.keyText));
      const lost = writer.acknowledged.filter((key) => !kept.has(key));
      assert.deepEqual(lost, [], "acknowledged, and lost");
      await until("the watcher has all of it", 10_000, () => seen.length >= rows.length);
      watch.close();
      await watching;
      assert.deepEqual(seen.toSorted(), [...kept].toSorted(), "each key once");
      // The fate of what was under way at a leader that stopped is unknown, as ever: at most so many at each restart.
      assert.deepEqual(
        writer.failures.filter((failure) => !UNKNOWN_FATE.test(failure)),
        [],
      );
      assert.ok(writer.failures.length <= RESTARTS * WRITERS, `${writer.failures.length} failed`);
      assert.ok(writer.gapMs < GAP_MS_MAX, `${writer.gapMs} ms without a write`);
    });
  });
});
