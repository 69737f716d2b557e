/** Connections that break and swallow at random moments, under load: what the client promised is checked afterwards. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Prng } from "../../../src/base/prng.ts";
import { Client, ClientError } from "../../../src/client/client.ts";
import { Cluster } from "../../conformance/support/cluster.ts";
import { until } from "../../conformance/support/tools.ts";
import { QUICK } from "../node/process/support.ts";
import { Wire } from "./support.ts";

const ATTEMPT_MS = 300;
const FOR_MS = 2_500;
const WRITERS = 8;

type Fate = "made" | "unknown" | "not made";

describe("a client on bad wires", () => {
  let cluster: Cluster;
  let wires: Wire[];

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 3, flags: QUICK });
    wires = await Promise.all(cluster.members.map(({ endpoint }) => Wire.open(endpoint)));
  });
  after(async () => {
    for (const wire of wires) wire.close();
    await cluster.stop({ keep: false });
  });

  /** Does something bad to some wire every so often, and repairs it a moment later. */
  async function trouble(prng: Prng, end: number): Promise<void> {
    while (performance.now() < end) {
      const wire = wires[prng.between(0, wires.length)];
      if (prng.chance(0.5)) wire?.cut();
      else wire?.swallow();
      await new Promise((resolve) => setTimeout(resolve, prng.between(50, 500)));
      wire?.restore();
    }
  }

  it("applies no write twice, loses none that was acknowledged, and makes none that it denied", async (context) => {
    const seed = Math.floor(Math.random() * 1e9);
    context.diagnostic(`seed ${seed}`);
    const prng = new Prng(seed);
    const client = new Client({
      endpoints: wires.map(({ endpoint }) => endpoint),
      attemptTimeoutMs: ATTEMPT_MS,
      timeoutMs: 2_000,
    });
    const seen: string[] = [];
    const watch = client.watch({ prefix: "chaos/" });
    const watching = watch.run(({ events }) => {
      for (const { row } of events) seen.push(row.keyText);
    });
    await watch.started;
    const fates = new Map<string, Fate>();
    const end = performance.now() + FOR_MS;
    const write = async (key: string): Promise<Fate> => {
      try {
        await client.kv.put(key, "x");
        return "made";
      } catch (error) {
        assert.ok(error instanceof ClientError, String(error));
        return error.outcomeUnknown ? "unknown" : "not made";
      }
    };
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let at = 0; performance.now() < end; at++) {
        const key = `chaos/${writer}/${at}`;
        fates.set(key, await write(key));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    await Promise.all([...writers, trouble(prng, end)]);
    const { rows } = await client.kv.getAll({ prefix: "chaos/" }, { timeoutMs: 10_000 });
    const count = (fate: Fate): number =>
      [...fates.values()].filter((each) => each === fate).length;
    context.diagnostic(
      `${count("made")} made, ${count("unknown")} unknown, ${count("not made")} not made`,
    );
    const found = new Map(rows.map((row) => [row.keyText, row]));
    for (const [key, fate] of fates) {
      const row = found.get(key);
      assert.ok((row?.version ?? 1) === 1, `${key} was written twice`);
      if (fate === "made") assert.ok(row !== undefined, `${key} is lost`);
      if (fate === "not made") assert.ok(row === undefined, `${key} was made after all`);
    }
    assert.ok(count("made") > 100, "there was load");
    await until("the watch has seen everything", 5_000, () => seen.length >= rows.length);
    await watch.close();
    await watching;
    const order = rows.toSorted((a, b) => a.modRevision - b.modRevision);
    assert.deepEqual(
      seen,
      order.map(({ keyText }) => keyText),
      "once each, in order",
    );
    client.close();
  });
});
