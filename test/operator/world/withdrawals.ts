/** Whether a roll that was told to have failed breaks nobody else, however they die: who comes back in a build that is bad. */
import type { Condition, QuorateCluster } from "../../../operator/api/gen/types.ts";
import { POD, QUORATE_CLUSTER } from "../../../operator/api/resources.ts";
import type { Pod } from "../../../operator/cluster/objects.ts";
import { versionOf } from "./pod-status.ts";
import type { World } from "./world.ts";

/** By then an operator that was killed or held up has had its turn again. */
const WITHDRAWN_MS = 90_000;

export class Withdrawals {
  readonly #world: World;
  /** All members took part in what the spec asked for, once: before that there is nothing to go back to. */
  wasWhole = false;
  /** UIDs of those that were seen. */
  readonly #pods = new Set<string>();
  /** What was asked for when a roll was told to have failed, and since when; null: none has. */
  #failed: { readonly asked: string; readonly since: number } | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** Pods that should not be, each in a sentence and once. */
  look(now: number): string[] {
    const { api } = this.#world;
    const [cluster] = api.store.all(QUORATE_CLUSTER) as unknown as QuorateCluster[];
    const { conditions } = cluster?.status ?? {};
    this.wasWhole ||=
      ["Ready", "Updated"].every((type) => isTold(conditions, type, "True")) &&
      isTold(conditions, "Reconciling", "False");
    const asked = this.wasWhole ? askedOf(cluster) : null;
    if (asked !== this.#failed?.asked) this.#failed = asked === null ? null : { asked, since: now };
    const isPast = this.#failed !== null && now - this.#failed.since >= WITHDRAWN_MS;
    return (api.store.all(POD) as Pod[]).flatMap((pod) => {
      const { name, uid = "" } = pod.metadata;
      const isNew = !this.#pods.has(uid);
      this.#pods.add(uid);
      if (!isNew || !isPast || !isBad(this.#world, pod)) return [];
      return [`${name} came back in ${versionOf(pod)}, whose roll has failed`];
    });
  }
}

/** Its build does not start, or its peers refuse it. */
export function isBad({ broken, refused }: World, pod: Pod): boolean {
  const version = versionOf(pod);
  return broken.has(version) || refused.has(version);
}

/** What a person has asked for while a roll is told to have failed, and the operator works; null: none is, or it rests. */
function askedOf(cluster: QuorateCluster | undefined): string | null {
  const { status, spec, metadata } = cluster ?? {};
  const stalled = status?.conditions?.find(({ type }) => type === "Stalled");
  if (stalled?.reason !== "RollFailed" || spec?.paused === true) return null;
  return JSON.stringify([spec, metadata?.annotations]);
}

function isTold(
  conditions: readonly Condition[] | undefined,
  wanted: string,
  as: Condition["status"],
): boolean {
  return conditions?.some(({ type, status }) => type === wanted && status === as) === true;
}
