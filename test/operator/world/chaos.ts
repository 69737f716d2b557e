/** What befalls a cluster: people who edit, nodes that fail, disks that are lost, though never more than a quorum can bear. */
import type { Prng } from "../../../src/base/prng.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import { PERSISTENT_VOLUME_CLAIM, POD } from "../../../operator/api/resources.ts";
import { sleep } from "../../../operator/time.ts";
import { emptyDisk } from "./consensus.ts";
import { VERSION } from "./pod-status.ts";
import type { Sandbox } from "./sandbox.ts";
import { spareVoters } from "./soundness.ts";
import { NAMESPACE } from "./world.ts";

export class Chaos {
  readonly #sandbox: Sandbox;
  readonly #random: Prng;
  replicas: number;
  /** What was done, for whoever reads a failure. */
  readonly log: string[] = [];

  constructor(sandbox: Sandbox, random: Prng, replicas: number) {
    this.#sandbox = sandbox;
    this.#random = random;
    this.replicas = replicas;
    sandbox.world.broken.set("1.4.3", "this build does not start");
  }

  /** So many strokes, half of them of others if there are any. */
  async run(strokes: number, others: readonly (() => void)[]): Promise<void> {
    for (let stroke = 0; stroke < strokes; stroke++) {
      await sleep(this.#sandbox.time, this.#random.between(500, 25_000));
      const other =
        others.length > 0 && this.#random.chance(0.5)
          ? others[this.#random.between(0, others.length)]
          : undefined;
      if (other === undefined) this.#strike();
      else other();
    }
  }

  /** Just when somebody is about to be taken away, somebody else is cut off, or what `others` do happens. */
  provoke(action: Action, others: readonly (() => void)[]): void {
    if (action.kind !== "journal") return;
    const { operation } = action.document;
    // People scale in now and then, and roll all the time.
    if (!this.#random.chance(operation?.type === "RemoveMember" ? 0.8 : 0.3)) return;
    const isRisky =
      operation?.type === "RemoveMember" ||
      operation?.type === "ReplaceMember" ||
      (operation?.type === "Roll" && operation.current !== null);
    if (!isRisky) return;
    const other =
      others.length > 0 && this.#random.chance(0.7)
        ? others[this.#random.between(0, others.length)]
        : undefined;
    if (other === undefined) this.#cut();
    else other();
  }

  heal(): void {
    this.#sandbox.world.cut.clear();
    this.#sandbox.edit({ version: VERSION });
  }

  #strike(): void {
    const draw = this.#random.next();
    if (draw < 0.25) this.#scale();
    else if (draw < 0.4) this.#retemplate();
    else if (draw < 0.6) this.deletePod();
    else if (draw < 0.75) this.#cut();
    else this.#loseDisk();
  }

  note(what: string): void {
    this.log.push(`${(this.#sandbox.time.now() / 1000).toFixed(1)} s: ${what}`);
  }

  #scale(): void {
    this.scaleTo([1, 3, 3, 5][this.#random.between(0, 4)] ?? 3);
  }

  scaleTo(replicas: number): void {
    this.replicas = replicas;
    this.note(`replicas ${replicas}`);
    this.#sandbox.edit({ replicas });
  }

  #retemplate(): void {
    if (this.#random.chance(0.3)) {
      const version = this.#random.chance(0.5) ? VERSION : "1.4.3";
      this.note(`version ${version}`);
      this.#sandbox.edit({ version });
      return;
    }
    const level = ["debug", "info", "warn"][this.#random.between(0, 3)] ?? "info";
    this.note(`log-level ${level}`);
    this.#sandbox.edit({ server: { extraArgs: { "log-level": level } } });
  }

  #pod(): string | null {
    const pods = this.#sandbox.api.store.all(POD);
    return pods.length === 0
      ? null
      : (pods[this.#random.between(0, pods.length)]?.metadata.name ?? null);
  }

  deletePod(): void {
    const name = this.#pod();
    if (name === null) return;
    this.note(`pod ${name} is deleted`);
    this.#sandbox.api.store.delete(POD, { namespace: NAMESPACE, name });
  }

  /** For a while. */
  #cut(): void {
    const name = this.#pod();
    if (name === null) return;
    const forMs = this.#random.between(1_000, 90_000);
    this.note(`${name} is cut off for ${forMs} ms`);
    this.#sandbox.world.cut.add(name);
    this.#sandbox.time.after(forMs, () => this.#sandbox.world.cut.delete(name));
    if (this.#random.chance(0.4)) this.#retemplate();
  }

  /** Only while a quorum would be left that has everything, and there are three voters. */
  #loseDisk(): void {
    const { world, api } = this.#sandbox;
    const spare = spareVoters(world);
    const lineage = world.lineageOf(spare[0]?.pod ?? "");
    if (lineage === null) return;
    const running = world.running(lineage);
    const victim = running[this.#random.between(0, running.length)];
    if (victim === undefined) return;
    const ref = { namespace: NAMESPACE, name: `data-${victim.pod}` };
    const how = this.#random.between(0, 3);
    this.note(`the disk of ${victim.pod} is lost, way ${how}`);
    if (how === 0) {
      const uid = api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid;
      if (uid !== undefined) world.disks.set(uid, emptyDisk());
      world.stop(victim.pod);
    } else {
      api.store.delete(PERSISTENT_VOLUME_CLAIM, ref);
      if (how === 2) api.store.delete(POD, { namespace: NAMESPACE, name: victim.pod });
    }
  }
}
