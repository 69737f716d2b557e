/** I9: what keeps members that are well from being taken away, and since when it does. */
import { quotaBackendBytes } from "../../../operator/api/apply-defaults.ts";
import {
  PERSISTENT_VOLUME_CLAIM,
  QUORATE_BACKUP,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import type {
  QuorateBackup,
  QuorateCluster,
  QuorateTask,
} from "../../../operator/api/gen/types.ts";
import type { Seat } from "./consensus.ts";
import { isMuted } from "./soundness.ts";
import { NAMESPACE, type World } from "./world.ts";

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

  /** A roll that brings a larger quota may be what ends NOSPACE. */
  ofRoll(seat: Seat, since: number): string | null {
    if (this.#isIll(seat)) return null;
    return this.#known(since, this.#isQuotaRaised() ? /CORRUPT|backup/ : /./);
  }

  #isQuotaRaised(): boolean {
    const { api, processes } = this.#world;
    const [cluster] = api.store.all(QUORATE_CLUSTER) as unknown as QuorateCluster[];
    const wanted = cluster === undefined ? 0 : quotaBackendBytes(cluster.spec);
    return [...processes.values()].some(({ quotaBytes }) => quotaBytes < wanted);
  }

  /** Its history is another, or is said to be, or its disk is being deleted under it. */
  #isIll({ id, name }: Seat): boolean {
    const ref = { namespace: NAMESPACE, name: `data-${name}` };
    const claim = this.#world.api.store.get(PERSISTENT_VOLUME_CLAIM, ref);
    const isLost = claim === null || claim.metadata.deletionTimestamp !== undefined;
    return isLost || this.#world.odd.has(id) || isMuted(this.#world, id);
  }

  #known(since: number, which: RegExp): string | null {
    const found = [...this.#since].find(([hold, at]) => at <= since && which.test(hold));
    return found?.[0] ?? null;
  }
}
