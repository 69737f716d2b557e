/**
 * Operators as they are in the world: slow, paused for half a minute, refused by the API server, answered and never told, killed
 * between any two awaits, and sometimes two of them. The controller's code is the real one.
 */
import type { BootFile } from "../../../src/api/boot.ts";
import type { Prng } from "../../../src/base/prng.ts";
import type { Admin, RaisedAlarm } from "../../../operator/admin.ts";
import { QUORATE_BACKUP, QUORATE_BACKUP_SCHEDULE } from "../../../operator/api/resources.ts";
import type { BackupHost } from "../../../operator/backup/controller.ts";
import { reconcileBackup } from "../../../operator/backup/reconcile-backup.ts";
import { reconcileSchedule } from "../../../operator/backup/reconcile-schedule.ts";
import { reconcileCluster } from "../../../operator/cluster/reconcile.ts";
import type { ConfigMap, StatefulSet } from "../../../operator/cluster/objects.ts";
import {
  type DeleteOptions,
  type KubeApi,
  KubeError,
  type KubeObject,
  type ObjectRef,
  type Resource,
} from "../../../operator/kube/api.ts";
import { sleep } from "../../../operator/time.ts";
import type { Judges } from "./judges.ts";
import { CLUSTER, type Sandbox } from "./sandbox.ts";
import { NAMESPACE } from "./world.ts";

export interface Weather {
  /** Of an await that takes a while, and of one that takes half a minute. */
  readonly slow: number;
  readonly paused: number;
  /** Of a call that fails: before it did anything, or after. */
  readonly failing: number;
  /** Awaits after which an operator is killed, at most; null: never. */
  readonly lifetime: number | null;
}

export const CALM: Weather = { slow: 0.02, paused: 0, failing: 0, lifetime: null };

class Killed extends Error {
  override readonly name = "Killed";
}

/** Calls that change more than a status. */
const CHANGING: ReadonlySet<string> = new Set([
  "create",
  "update",
  "apply",
  "mergePatch",
  "delete",
  "evict",
]);
const MEMBER_CALLS = ["members", "addLearner", "promote", "remove", "moveLeader", "alarms"];

/** One process. It ends when it is killed, at one of its awaits. */
export class OperatorProcess {
  readonly #sandbox: Sandbox;
  readonly #judges: Judges;
  readonly #random: Prng;
  weather: Weather;
  #left: number;
  #dead = false;
  #passSince = 0;
  /** When its pass began: the generation, or null. */
  #paused: number | null = null;

  constructor(sandbox: Sandbox, judges: Judges, random: Prng, weather: Weather) {
    this.#sandbox = sandbox;
    this.#judges = judges;
    this.#random = random;
    this.weather = weather;
    this.#left =
      weather.lifetime === null ? Number.POSITIVE_INFINITY : random.between(1, weather.lifetime);
  }

  kill(): void {
    this.#dead = true;
  }

  /** Until it is killed. */
  async run(): Promise<void> {
    await Promise.all([this.#runClusters(), this.#runBackups()]);
  }

  /** In their own time, beside the cluster. */
  async #runBackups(): Promise<void> {
    const { api, time, failures } = this.#sandbox;
    const host: BackupHost = {
      kube: this.#guarded(api.operator, () => {}),
      recorder: { event: () => {} },
      gauges: this.#sandbox.gauges,
      wall: () => time.wall(),
      image: { image: "example.org/quorate:1", pullPolicy: "IfNotPresent", pullSecrets: [] },
    };
    while (!this.#dead) {
      for (const [resource, reconcile] of [
        [QUORATE_BACKUP_SCHEDULE, reconcileSchedule],
        [QUORATE_BACKUP, reconcileBackup],
      ] as const)
        for (const { metadata } of api.store.all(resource)) {
          try {
            await reconcile(host, { namespace: NAMESPACE, name: metadata.name });
          } catch (thrown) {
            if (!(thrown instanceof Killed)) failures.push(thrown);
          }
        }
      await sleep(time, this.#random.between(500, 2_000));
    }
  }

  async #runClusters(): Promise<void> {
    const reconciler = {
      ...this.#sandbox.reconciler(
        async (call, when) =>
          await this.#gate(call, when, MEMBER_CALLS.includes(call.split(" ")[0] ?? "")),
      ),
      kube: this.#guarded(this.#sandbox.api.operator, (name, args) => this.#judge(name, args)),
    };
    const { admins } = reconciler;
    const judged = {
      ...reconciler,
      admins: {
        reach: (...args: Parameters<typeof admins.reach>): Admin =>
          this.#judgedAdmin(admins.reach(...args)),
        forget: (): void => {},
      },
    };
    while (!this.#dead) {
      let afterMs = this.#random.between(100, 2_000);
      this.#passSince = this.#sandbox.time.now();
      this.#paused = this.#sandbox.paused;
      this.#judges.look();
      try {
        const next = await reconcileCluster(judged, { namespace: NAMESPACE, name: CLUSTER });
        afterMs = Math.min(next ?? 1_000, 2_000);
      } catch (thrown) {
        if (!(thrown instanceof Killed)) this.#sandbox.failures.push(thrown);
      }
      await sleep(this.#sandbox.time, Math.max(afterMs, 20));
    }
  }

  async #gate(call: string, when: "before" | "after", mayFail = true): Promise<void> {
    if (this.#dead) throw new Killed();
    if (--this.#left < 0) {
      this.#dead = true;
      throw new Killed();
    }
    const { slow, paused, failing } = this.weather;
    if (paused > 0 && this.#random.chance(paused))
      await sleep(this.#sandbox.time, this.#random.between(1_000, 40_000));
    else if (this.#random.chance(slow))
      await sleep(this.#sandbox.time, this.#random.between(1, 400));
    if (this.#dead) throw new Killed();
    if (mayFail && failing > 0 && this.#random.chance(failing))
      throw new KubeError("unavailable", `${call} failed ${when} it was done`);
  }

  #judgedAdmin(admin: Admin): Admin {
    return new Proxy(admin, {
      get: (target, name: keyof Admin) => {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>;
        const judge = this.#judgesOf(name);
        if (judge === null) return method.bind(target);
        return async (...args: unknown[]): Promise<void> => {
          await this.#gate(name, "before");
          judge(args);
          await method.apply(target, args);
        };
      },
    });
  }

  /** Who hears of a call to members, at the moment that it is made; null: nobody. */
  #judgesOf(name: keyof Admin): ((args: readonly unknown[]) => void) | null {
    const judges = this.#judges;
    switch (name) {
      case "remove":
        return ([id]) => {
          for (const lineage of this.#sandbox.world.lineages.values())
            if (lineage.leader !== null) judges.onRemove(lineage, String(id), this.#passSince);
        };
      case "defragment":
        return ([pod]) => judges.onDefragment(String(pod), this.#passSince);
      case "disarm":
        return ([alarm]) => judges.onDisarm(alarm as RaisedAlarm);
      default:
        return null;
    }
  }

  #guarded(api: KubeApi, judge: (name: string, args: readonly unknown[]) => void): KubeApi {
    return new Proxy(api, {
      get: (target, name: keyof KubeApi) => {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]): Promise<unknown> => {
          await this.#gate(name, "before");
          judge(name, args);
          const answer = await method.apply(target, args);
          await this.#gate(name, "after");
          return answer;
        };
      },
    });
  }

  #judge(name: string, args: readonly unknown[]): void {
    // Who has been let go on meanwhile may have read that.
    const isPaused = this.#paused !== null && this.#sandbox.paused === this.#paused;
    if (isPaused && CHANGING.has(name))
      this.#judges.breach("pause", `${name} ${JSON.stringify(args[1]).slice(0, 80)}`);
    const [{ plural }] = args as [Resource];
    if (name === "delete") {
      const [, { name: object }, options] = args as [Resource, ObjectRef, DeleteOptions];
      const uid = options.preconditions?.uid;
      if (plural === "pods" && this.#isLive(args[0] as Resource, object, uid))
        this.#judges.onDeletePod(object, this.#passSince);
      if (plural === "persistentvolumeclaims") this.#judges.onDeleteClaim(object, uid);
      return;
    }
    const [, object] = args as [Resource, KubeObject];
    if (name === "update" && plural === "statefulsets") {
      if ((object as StatefulSet).spec.replicas === 0) this.#sandbox.restores.judgeStop();
    }
    if ((name === "create" || name === "update") && object.metadata.name === `${CLUSTER}-boot`) {
      const files = Object.values((object as ConfigMap).data ?? {});
      this.#judges.onBootFiles(files.map((text) => JSON.parse(text) as BootFile));
    }
  }

  /** What the API server refuses for its UID is not done. */
  #isLive(resource: Resource, name: string, uid: string | undefined): boolean {
    const live = this.#sandbox.api.store.get(resource, { namespace: NAMESPACE, name });
    return live !== null && live.metadata.uid === uid;
  }
}
