/**
 * Flipped bytes in the files of one member, while it is stopped and while it runs: each is found, none is ever served, and the
 * member is rebuilt from its peers, while the cluster takes writes.
 *
 * FLIPS sets how many (200 take some 15 minutes), SEED repeats a run.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { describe, it } from "node:test";
import { Prng } from "../../src/base/prng.ts";
import { type Fields, MemberClient, findLeader, hashes } from "./support/client.ts";
import { Cluster, type Member } from "./support/cluster.ts";
import { flip, isStillDamaged, type Kind, KINDS, type Place, pickPlace } from "./support/damage.ts";
import { until } from "./support/tools.ts";
import { Writer } from "./support/writer.ts";

const FLIPS = Number(process.env["FLIPS"] ?? 24);
const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const KEYS = 1_200;
const FLAGS: readonly string[] = [
  "--corruption-repair",
  "--scrub-interval=1s",
  "--heartbeat-interval=50",
  "--election-timeout=500",
  "--value-cache-bytes=0",
  "--wal-segment-bytes=4194304",
  "--snapshot-catchup-entries=300",
];
const REBUILT = "rebuilt this member from its peers";
const SCRUBBED = "scrubbed log and store";

/** What the keys hold for good. */
function valueOf(at: number): string {
  return `value ${at} `.repeat(20);
}

async function load(endpoint: string): Promise<void> {
  const client = new MemberClient(endpoint);
  try {
    // The first round is history, and half of it is compacted away.
    for (const round of ["old", "new"]) {
      for (let from = 0; from < KEYS; from += 100) {
        const puts = Array.from({ length: 100 }, (_, at) => {
          const value = round === "new" ? valueOf(from + at) : `old ${from + at}`;
          return client.call("KV/Put", {
            key: Buffer.from(`s/${from + at}`),
            value: Buffer.from(value),
          });
        });
        await Promise.all(puts);
      }
    }
    await client.call("KV/Compact", { revision: String(KEYS / 2), physical: true });
  } finally {
    client.close();
  }
}

/** Reads everything from one member, for as long as it is wanted; keeps what was not the truth. */
class Reader {
  readonly #member: Member;
  readonly wrong: string[] = [];
  reads = 0;
  #stopped = false;
  readonly #work: Promise<void>;

  constructor(member: Member) {
    this.#member = member;
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  async #run(): Promise<void> {
    const client = new MemberClient(this.#member.endpoint);
    const all = { key: Buffer.from("s/"), rangeEnd: Buffer.from("s0"), serializable: true };
    while (!this.#stopped) {
      try {
        const { kvs } = (await client.call("KV/Range", all, 2_000)) as { kvs: Fields[] };
        this.#compare(kvs);
        this.reads++;
      } catch {
        // It does not serve: that is never wrong.
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    client.close();
  }

  #compare(kvs: readonly Fields[]): void {
    if (kvs.length !== KEYS) this.wrong.push(`${kvs.length} keys`);
    for (const { key, value } of kvs) {
      const at = Number(String(key).slice(2));
      if (String(value) !== valueOf(at)) this.wrong.push(`${String(key)}: ${String(value)}`);
    }
  }
}

interface Outcome {
  readonly place: Place;
  readonly how: string;
  readonly end: "rebuilt" | "replaced" | "missed";
  readonly ms: number;
  /** How often LevelDB ended the process. */
  readonly aborts: number;
}

/** One flip, and what became of it. */
async function round(
  cluster: Cluster,
  member: Member,
  kind: Kind,
  random: Prng,
): Promise<Outcome | null> {
  const how = ["running", "SIGTERM", "SIGKILL"][random.between(0, 3)] ?? "";
  const logFrom = statSync(member.logFile).size;
  const said = (): string => readFileSync(member.logFile, "utf8").slice(logFrom);
  if (how !== "running") await member.stop(how as NodeJS.Signals);
  const place = pickPlace(member.dataDir, kind, random);
  const value = place === null ? null : flip(place, random);
  const began = performance.now();
  if (how !== "running") cluster.restart(member);
  if (place === null || value === null) {
    await member.awaitHealthy();
    return null;
  }
  const where = `${place.path} offset ${place.offset} (${how})`;
  const count = (text: string): number => said().split(text).length - 1;
  const scrubbed = count(SCRUBBED);
  let aborts = 0;
  await until(`an end for ${where}`, 90_000, () => {
    if (!member.running) {
      // LevelDB ends the process where a damaged block breaks one of its assertions: whoever supervises it starts it again.
      assert.match(said(), /deps\/leveldb.*Assertion/, `${where}: it ended`);
      aborts++;
      cluster.restart(member);
    }
    return count(REBUILT) > 0 || count(SCRUBBED) >= scrubbed + 2;
  });
  const ms = performance.now() - began;
  await member.awaitHealthy(60_000);
  const rebuilt = count(REBUILT) > 0;
  const end = rebuilt ? "rebuilt" : isStillDamaged(place, value) ? "missed" : "replaced";
  return { place, how, end, ms, aborts };
}

describe("flipped bytes", () => {
  it(`are found, never served, and repaired from the peers (${FLIPS} flips, seed ${SEED})`, async (context) => {
    const random = new Prng(SEED);
    const cluster = await Cluster.start({ product: "quorate", members: 3, flags: FLAGS });
    let keep = true;
    try {
      await load((await findLeader(cluster.members)).endpoint);
      const endpoints = cluster.members.map(({ endpoint }) => endpoint);
      for (const member of cluster.members) {
        await member.stop("SIGTERM"); // so that each store has tables
        cluster.restart(member);
        await member.awaitHealthy();
      }
      const writer = new Writer(endpoints, "load/", 50);
      const outcomes: Outcome[] = [];
      const wrong: string[] = [];
      let reads = 0;
      while (outcomes.length < FLIPS) {
        const member = cluster.member(random.between(0, 3));
        const kind = KINDS[random.between(0, KINDS.length)] ?? "table";
        const reader = new Reader(member);
        const outcome = await round(cluster, member, kind, random);
        await reader.stop();
        reads += reader.reads;
        wrong.push(...reader.wrong);
        if (outcome !== null) outcomes.push(outcome);
        if (outcome !== null && process.env["FLIPS_VERBOSE"] !== undefined) console.error(outcome);
      }
      const { acknowledged, failed } = await writer.stop();
      const ends = Object.groupBy(outcomes, ({ end }) => end);
      const tally = Object.entries(ends).map(([end, list]) => `${list.length} ${end}`);
      const aborts = outcomes.reduce((sum, outcome) => sum + outcome.aborts, 0);
      const slowest = Math.max(...outcomes.map(({ ms }) => ms));
      context.diagnostic(
        `${outcomes.length} flips: ${tally.join(", ")}, ${aborts} ends by LevelDB; slowest ${(slowest / 1000).toFixed(1)} s; ` +
          `${reads} reads of all keys, ${wrong.length} wrong; ${acknowledged.size} puts meanwhile, ${failed} failed`,
      );
      assert.deepEqual(wrong.slice(0, 3), []);
      assert.deepEqual(ends.missed ?? [], []);
      assert.equal(failed, 0, "the cluster served all the while");
      await cluster.awaitHealthy();
      assert.equal(new Set(await hashes(endpoints)).size, 1);
      keep = false;
    } finally {
      await cluster.stop({ keep });
    }
  });
});
