/** One history out of one seed: a cluster, what befalls it, who operates it, and what the judges say. */
import type { Action } from "../../../operator/cluster/action.ts";
import { Chaos } from "./chaos.ts";
import { Judges } from "./judges.ts";
import type { Weather } from "./operators.ts";
import { Sandbox } from "./sandbox.ts";
import { Supervisor } from "./supervisor.ts";
import { type Scene, type Theme, themeOf } from "./themes.ts";

const WRITE_EVERY_MS = 700;
const STRUCK_MS = 60 * 60_000;
/** Once nothing befalls it any more. Most settle within a minute; the slowest of eight hundred took ten. */
const HEALED_MS = 30 * 60_000;

export interface Verdict {
  readonly seed: number;
  readonly theme: string;
  /** Empty: all is well. */
  readonly breaches: readonly string[];
  readonly story: readonly string[];
  readonly passes: number;
  /** Operators that were killed at one of their awaits. */
  readonly kills: number;
  readonly acknowledged: number;
}

export interface ScheduleOptions {
  readonly strokes: number;
  readonly weather?: Weather;
  /** What it is about beside members; the seed says, unless it is given. */
  readonly theme?: Theme;
  /** Prints what is done, and when. */
  readonly trace?: boolean;
}

export async function runSchedule(
  seed: number,
  { strokes, weather, trace = false, theme = themeOf(seed) }: ScheduleOptions,
): Promise<Verdict> {
  const sandbox = new Sandbox(seed);
  const random = sandbox.random.fork("schedule");
  const replicas = [1, 3, 3, 5][random.between(0, 4)] ?? 3;
  const chaos = new Chaos(sandbox, random.fork("chaos"), replicas);
  const rough = weather ?? drawWeather(random);
  const judges = new Judges(sandbox.world);
  const scene = { sandbox, judges, chaos, random: random.fork("theme") };
  sandbox.restores.onRestore = (pod, writes) => {
    judges.onRestore(pod);
    judges.goBack(writes);
  };
  sandbox.world.onForceNew = (writes) => judges.goBack(writes);
  sandbox.create({ replicas, ...theme.spec });
  theme.prepare?.(scene);
  let over = false;
  let struck = false;
  const surprises = (theme.surprises ?? []).map((strike) => () => strike(scene));
  sandbox.onAction = (action) => {
    if (trace) console.log(describe(sandbox, action));
    if (!struck) chaos.provoke(action, surprises);
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
  const others = theme.strokes.map((strike) => () => strike(scene));
  void chaos.run(strokes, others).then(() => (struck = true));
  await sandbox.time.until("the strokes are over", STRUCK_MS, () => struck);
  const breaches = judges.breaches;
  try {
    await theme.finale?.(scene);
    chaos.heal();
    theme.tidy?.(scene);
    operators.calm();
    await sandbox.time.run(5_000);
    await sandbox.time.until("it settles", HEALED_MS, () => isOver(scene, theme));
    judges.sum();
  } catch (thrown) {
    breaches.push(`convergence: ${unsettled(scene, theme, thrown)}`);
  }
  over = true;
  operators.stop();
  return {
    seed,
    theme: theme.name,
    breaches,
    story: chaos.log,
    passes,
    kills: operators.kills,
    acknowledged: judges.acknowledged.length,
  };
}

/** What is told, what is under way, and what failed last. */
function unsettled(scene: Scene, theme: Theme, thrown: unknown): string {
  const { cluster, journal, failures } = scene.sandbox;
  const told = (cluster.status?.conditions ?? []).filter(({ type }) =>
    ["Ready", "Stalled"].includes(type),
  );
  const { type = "none", step = "" } = journal?.operation ?? {};
  return [
    thrown instanceof Error ? thrown.message : String(thrown),
    theme.missing?.(scene) ?? "",
    ...told.map(({ message }) => message),
    `operation ${type} ${step}`,
    String(failures.at(-1)),
  ].join(" / ");
}

function isOver(scene: Scene, theme: Theme): boolean {
  const { sandbox, chaos } = scene;
  return (
    sandbox.isSettled(chaos.replicas) &&
    sandbox.world.isWhole(chaos.replicas) &&
    (theme.missing?.(scene) ?? null) === null
  );
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
    lifetime: random.next() < 0.2 ? null : random.between(150, 1_500),
  };
}
