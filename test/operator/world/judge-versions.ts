/** No two members are further apart than a minor version, and no disk goes back to an older one without a person's word. */
import { QUORATE_TASK } from "../../../operator/api/resources.ts";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import { minorOf } from "../../../operator/cluster/version-spread.ts";
import type { Process, World } from "./world.ts";

export class JudgeVersions {
  readonly #world: World;
  /** By the claim's UID: in which version a member ran there last. */
  readonly #last = new Map<string, string>();
  /** Versions that a task has asked to go down to. */
  readonly #words = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What must not be. */
  look(now: number): string[] {
    const { api, processes } = this.#world;
    for (const { spec } of api.store.all(QUORATE_TASK) as unknown as QuorateTask[])
      if (spec.downgrade !== undefined) this.#words.add(spec.downgrade.version);
    const running = [...processes.values()].filter(
      ({ upAt, phase }) => now >= upAt && phase === "Running",
    );
    const minors = running.map(({ version }) => minorOf(version));
    const found = running.flatMap((process) => this.#step(process) ?? []);
    if (Math.max(...minors) - Math.min(...minors) > 1)
      found.push(`members run in ${running.map(({ version }) => version).join(" and ")}`);
    return found;
  }

  #step({ pod, claimUid, version }: Process): string | null {
    const before = this.#last.get(claimUid) ?? version;
    this.#last.set(claimUid, version);
    const up = minorOf(version) - minorOf(before);
    if (Math.abs(up) > 1) return `${pod} went from ${before} to ${version}`;
    return up < 0 && !this.#words.has(version)
      ? `${pod} went from ${before} down to ${version}, and nobody said so`
      : null;
  }
}
