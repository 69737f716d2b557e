import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KubeError } from "../../../operator/kube/api.ts";
import { type Outcome, type QueueOptions, WorkQueue } from "../../../operator/kube/queue.ts";
import { sleep } from "../../../operator/time.ts";
import { Prng } from "../../../src/base/prng.ts";
import { VirtualTime } from "../virtual-time.ts";

const DONE: Outcome = { afterMs: null };

function queueOf(
  work: (key: string, signal: AbortSignal) => Promise<Outcome>,
  more: Partial<QueueOptions> = {},
): { queue: WorkQueue; time: VirtualTime } {
  const time = new VirtualTime();
  const queue = new WorkQueue({ time, random: new Prng(1), workers: 1, work, ...more });
  return { queue, time };
}

describe("the work queue", () => {
  it("takes keys in the order in which they came, and each once however often it was added", async () => {
    const seen: string[] = [];
    const { queue, time } = queueOf(async (key) => {
      seen.push(key);
      return DONE;
    });
    for (const key of ["a", "b", "a", "c", "b", "a"]) queue.add(key);
    assert.deepEqual([queue.depth, seen], [3, []], "nothing begins before the start");
    queue.start();
    await time.run(1000);
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  it("works on a key again that was added meanwhile, and never twice at a time", async () => {
    let working = 0;
    let passes = 0;
    const time = new VirtualTime();
    const queue = new WorkQueue({
      time,
      random: new Prng(1),
      workers: 4,
      work: async () => {
        assert.equal(++working, 1, "one worker has the key");
        passes++;
        await sleep(time, 100);
        working--;
        return DONE;
      },
    });
    queue.start();
    queue.add("a");
    await time.run(50);
    for (let at = 0; at < 5; at++) queue.add("a");
    await time.run(1000);
    assert.equal(passes, 2);
  });

  it("keeps as many workers busy as it has", async () => {
    const time = new VirtualTime();
    let busiest = 0;
    const queue: WorkQueue = new WorkQueue({
      time,
      random: new Prng(1),
      workers: 3,
      work: async () => {
        busiest = Math.max(busiest, queue.working);
        await sleep(time, 100);
        return DONE;
      },
    });
    for (let at = 0; at < 9; at++) queue.add(`k${at}`);
    queue.start();
    await time.run(301);
    assert.deepEqual([busiest, queue.depth, queue.working], [3, 0, 0]);
  });

  it("waits longer after each failure, and begins anew after a success", async () => {
    const at: number[] = [];
    const { queue, time } = queueOf(async () => {
      at.push(time.now());
      if (at.length === 6) return { afterMs: 1 };
      if (at.length === 8) return DONE;
      throw new Error("no");
    });
    queue.start();
    queue.add("a");
    await time.run(60_000);
    const waits = at.slice(1).map((when, index) => when - (at[index] ?? 0));
    assert.equal(waits.length, 7);
    for (const [index, whole] of [100, 200, 400, 800, 1600].entries()) {
      const wait = waits[index] ?? 0;
      assert.ok(wait >= whole / 2 && wait <= whole, `${wait} is about ${whole}`);
    }
    assert.equal(waits[5], 1);
    assert.ok((waits[6] ?? 0) <= 100, "the first failure after a success");
  });

  it("waits as long as the API server asks", async () => {
    const at: number[] = [];
    const { queue, time } = queueOf(async () => {
      at.push(time.now());
      if (at.length > 1) return DONE;
      throw new KubeError("tooManyRequests", "slower", { status: 429, retryAfter: 7 });
    });
    queue.start();
    queue.add("a");
    await time.run(60_000);
    assert.deepEqual(at, [0, 7000]);
  });

  it("a key that fails waits even if it is touched meanwhile", async () => {
    const at: number[] = [];
    const { queue, time } = queueOf(async (key) => {
      at.push(time.now());
      if (at.length > 1) return DONE;
      queue.add(key);
      throw new Error("no");
    });
    queue.start();
    queue.add("a");
    await time.run(60_000);
    assert.equal(at.length, 2);
    assert.ok((at[1] ?? 0) >= 50);
  });

  it("keeps the earliest appointment, and a pass makes it void", async () => {
    const at: number[] = [];
    const { queue, time } = queueOf(async () => {
      at.push(time.now());
      return at.length === 1 ? { afterMs: 10_000 } : DONE;
    });
    queue.start();
    queue.addAfter("a", 500);
    queue.addAfter("a", 300);
    queue.addAfter("a", 400);
    await time.run(1000);
    assert.deepEqual(at, [300]);
    queue.add("a");
    await time.run(60_000);
    assert.deepEqual(at, [300, 1000], "the pass at 1000 answered for the one at 10300");
  });

  it("begins no more passes than its rate allows", async () => {
    const at: number[] = [];
    const { queue, time } = queueOf(
      async () => {
        at.push(time.now());
        return DONE;
      },
      { rate: { burst: 3, perSecond: 10 } },
    );
    queue.start();
    for (let index = 0; index < 8; index++) queue.add(`k${index}`);
    await time.run(10_000);
    assert.equal(at.length, 8);
    assert.deepEqual(at.slice(0, 3), [0, 0, 0]);
    assert.ok((at[7] ?? 0) >= 500 && (at[7] ?? 0) < 600, `five more take half a second: ${at[7]}`);
  });

  it("stops when what is under way has ended, tells it so, and begins nothing more", async () => {
    const seen: string[] = [];
    const time = new VirtualTime();
    const queue = new WorkQueue({
      time,
      random: new Prng(1),
      workers: 1,
      work: async (key, signal) => {
        await sleep(time, 10_000, signal);
        seen.push(`${key} ${signal.aborted} ${time.now()}`);
        return { afterMs: 1 };
      },
    });
    queue.start();
    queue.add("a");
    queue.add("b");
    queue.addAfter("c", 200);
    await time.run(100);
    const stopped = queue.stop();
    queue.add("d");
    await stopped;
    await time.run(60_000);
    assert.deepEqual(seen, ["a true 100"]);
    assert.equal(queue.depth, 0);
  });
});
