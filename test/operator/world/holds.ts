/** I9: what keeps members that are well from being taken away, and since when it does. */
import { QUORATE_BACKUP, QUORATE_TASK } from "../../../operator/api/resources.ts";
import type { QuorateBackup, QuorateTask } from "../../../operator/api/gen/types.ts";
import type { Seat } from "./consensus.ts";
import { isMuted } from "./soundness.ts";
import type { World } from "./world.ts";

export class Holds {
  readonly #world: World;
  /** By what it is. */
  #since = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  look(now: number): void {
    const { alarms, api } = this.#world;
    const backups = api.store.all(QUORATE_BACKUP) as unknown as QuorateBackup[];
    const reading = backups.filter(({ status }) => status?.phase === "Running");
    const holds = [
      ...[...alarms].map((raised) => `the alarm ${raised} was raised`),
      ...reading.map(({ metadata }) => `the backup ${metadata.name} read`),
    ];
    this.#since = new Map(holds.map((hold) => [hold, this.#since.get(hold) ?? now]));
  }

  /** What was so before a pass began that took this voter, which was well, off the list; null: it might. */
  ofRemoval(seat: Seat, since: number): string | null {
    if (this.#isIll(seat)) return null;
    const tasks = this.#world.api.store.all(QUORATE_TASK) as unknown as QuorateTask[];
    const isAsked = tasks.some(({ spec }) => spec.replaceMember?.member === seat.name);
    return this.#known(since, isAsked ? /backup/ : /./);
  }

  ofRoll(seat: Seat, since: number): string | null {
    return this.#isIll(seat) ? null : this.#known(since, /CORRUPT|backup/);
  }

  #isIll({ id }: Seat): boolean {
    return this.#world.odd.has(id) || isMuted(this.#world, id);
  }

  #known(since: number, which: RegExp): string | null {
    const found = [...this.#since].find(([hold, at]) => at <= since && which.test(hold));
    return found?.[0] ?? null;
  }
}
