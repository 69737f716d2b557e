/** One history out of one seed: a cluster, what befalls it, who operates it, and what the judges say. */
import type { Action } from "../../../operator/cluster/action.ts";
import { Chaos } from "./chaos.ts";
import { Judges } from "./judges.ts";
import { CALM, OperatorProcess, type Weather } from "./operators.ts";
import { Sandbox } from "./sandbox.ts";

const WRITE_EVERY_MS = 700;
const HEALED_MS = 60 * 60_000;

export interface Verdict {
  readonly seed: number;
  /** Empty: all is well. */
  readonly breaches: readonly string[];
  readonly story: readonly string[];
  readonly passes: number;
  readonly acknowledged: number;
}

export interface ScheduleOptions {
  readonly strokes: number;
  readonly weather?: Weather;
  /** Prints what is done, and when. */
  readonly trace?: boolean;
}

export async function runSchedule(
  seed: number,
  { strokes, weather, trace = false }: ScheduleOptions,
): Promise<Verdict> {
  const sandbox = new Sandbox(seed);
  const random = sandbox.random.fork("schedule");
  const replicas = [1, 3, 3, 5][random.between(0, 4)] ?? 3;
  const chaos = new Chaos(sandbox, random.fork("chaos"), replicas);
  const rough = weather ?? drawWeather(random);
  const judges = new Judges(sandbox.world);
  sandbox.create({ replicas });
  let over = false;
  let struck = false;
  sandbox.onAction = (action) => {
    if (trace) console.log(describe(sandbox, action));
    if (!struck) chaos.provoke(action);
  };
  let next = 0;
  const serve = (): void => {
    judges.look();
    judges.write(next++);
    for (const action of sandbox.actions.splice(0)) {
      passes++;
      if (action.kind === "wait") judges.onWait(action);
    }
    if (!over) sandbox.time.after(WRITE_EVERY_MS, serve);
  };
  let passes = 0;
  serve();
  const two = random.chance(0.4);
  const operators = new Supervisor(sandbox, judges, rough);
  operators.start("one");
  if (two) operators.start("two");
  void chaos.run(strokes).then(() => (struck = true));
  await sandbox.time.until("the strokes are over", HEALED_MS, () => struck);
  chaos.heal();
  operators.calm();
  const breaches = judges.breaches;
  try {
    await sandbox.time.run(5_000);
    await sandbox.time.until(
      "it settles",
      HEALED_MS,
      () => sandbox.isSettled(chaos.replicas) && sandbox.world.isWhole(chaos.replicas),
    );
    judges.sum();
  } catch {
    const conditions = sandbox.cluster.status?.conditions ?? [];
    const told = conditions.filter(({ type }) => ["Ready", "Stalled"].includes(type));
    const operation = sandbox.journal?.operation;
    breaches.push(
      `convergence: it does not settle: ${told.map(({ message }) => message).join(" / ")} [${operation?.type} ${operation?.step}] ${String(sandbox.failures.at(-1))}`,
    );
  }
  over = true;
  operators.stop();
  return { seed, breaches, story: chaos.log, passes, acknowledged: judges.acknowledged.length };
}

function describe(sandbox: Sandbox, action: Action): string {
  const at = (sandbox.time.now() / 1000).toFixed(1);
  if (action.kind !== "journal") return `${at} ${JSON.stringify(action).slice(0, 240)}`;
  const { operation, revision, size, history } = action.document;
  const last = history.at(-1);
  return `${at} journal ${revision} size ${size} ${JSON.stringify(operation)} after ${last?.type} ${last?.outcome} ${last?.message}`;
}

function drawWeather(random: {
  next(): number;
  between(from: number, end: number): number;
}): Weather {
  return {
    slow: 0.02,
    paused: random.next() < 0.5 ? 0 : 0.002,
    failing: random.next() < 0.5 ? 0 : random.next() * 0.03,
    lifetime: random.next() < 0.2 ? null : random.between(20, 1_500),
  };
}

/** Starts an operator again whenever it was killed. */
class Supervisor {
  readonly #sandbox: Sandbox;
  readonly #judges: Judges;
  #weather: Weather;
  readonly #running = new Set<OperatorProcess>();
  #isCalm = false;
  #isOver = false;

  constructor(sandbox: Sandbox, judges: Judges, weather: Weather) {
    this.#sandbox = sandbox;
    this.#judges = judges;
    this.#weather = weather;
  }

  start(name: string): void {
    if (this.#isOver || (this.#isCalm && name !== "one")) return;
    const random = this.#sandbox.random.fork(`${name} ${this.#sandbox.time.now()}`);
    const process = new OperatorProcess(this.#sandbox, this.#judges, random, this.#weather);
    this.#running.add(process);
    void process.run().then(() => {
      this.#running.delete(process);
      this.#sandbox.time.after(random.between(0, 5_000), () => this.start(name));
    });
  }

  /** One operator with a long life from now on. */
  calm(): void {
    this.#isCalm = true;
    this.#weather = CALM;
    for (const process of this.#running) process.kill();
  }

  stop(): void {
    this.#isOver = true;
    for (const process of this.#running) process.kill();
  }
}
