/** What a restore in place reads before anything stops: who is stopped by it, what is said of it, and what is left of it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  JOB,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  QUORATE_BACKUP,
  QUORATE_TASK,
} from "../../operator/api/resources.ts";
import type { QuorateBackup } from "../../operator/api/gen/types.ts";
import type { Job } from "../../operator/backup/objects.ts";
import type { KubeApi } from "../../operator/kube/api.ts";
import { purposeOf } from "./world/jobs.ts";
import { CLUSTER, Sandbox } from "./world/sandbox.ts";
import { MINUTE, lineageOf, settled } from "./world/settled.ts";
import { NAMESPACE } from "./world/world.ts";

const CHANGING: ReadonlySet<string> = new Set([
  "create",
  "update",
  "apply",
  "applyStatus",
  "delete",
]);

function restoreFrom(sandbox: Sandbox, name: string, path: string): void {
  const from = { pvc: { claimName: "shelf", path } };
  sandbox.task(name, { restore: { from, acknowledgeDataLoss: true } });
}

function shelve({ api }: Sandbox): void {
  const metadata = { name: "shelf", namespace: NAMESPACE };
  const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata };
  api.store.create(PERSISTENT_VOLUME_CLAIM, claim, "person");
}

function jobs({ api }: Sandbox, purpose: string): Job[] {
  const all = api.store.all(JOB) as unknown as Job[];
  return all.filter((job) => purposeOf(job) === purpose);
}

function podUids({ api }: Sandbox): (string | undefined)[] {
  return api.store.all(POD).map(({ metadata }) => metadata.uid);
}

async function ended(sandbox: Sandbox, task: string, phase: "Complete" | "Failed"): Promise<void> {
  await sandbox.time.until(`${task} is ${phase}`, 20 * MINUTE, () => {
    return sandbox.taskStatus(task)?.phase === phase;
  });
}

/** What the status of a task said, one after another. */
function heard(sandbox: Sandbox, task: string): string[] {
  const messages: string[] = [];
  const look = (): void => {
    const { message = "" } = sandbox.taskStatus(task) ?? {};
    if (message !== messages.at(-1)) messages.push(message);
    sandbox.time.after(500, look);
  };
  look();
  return messages;
}

describe("a restore in place", () => {
  it("of a snapshot that is damaged stops no member, says what is wrong, and leaves no Job", async () => {
    await settled(71, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.damage.set("kv.db", "early");
      const [pods, { clusterId }] = [podUids(sandbox), lineageOf(sandbox)];
      const noQuorum: string[] = [];
      sandbox.onAction = ({ kind }) => {
        if (sandbox.condition("Available") !== "True") noQuorum.push(kind);
      };
      restoreFrom(sandbox, "back", "kv.db");
      await ended(sandbox, "back", "Failed");
      const { message = "" } = sandbox.taskStatus("back") ?? {};
      assert.match(message, /before any member was stopped.*kv\.db is not what was stored/);
      assert.match(message, /Nothing was changed$/);
      await sandbox.time.until("settled", MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(podUids(sandbox), pods);
      assert.equal(lineageOf(sandbox).clusterId, clusterId);
      assert.deepEqual(noQuorum, []);
      assert.deepEqual(sandbox.api.store.all(JOB), []);
      const told = sandbox.events.filter(({ reason }) => reason === "TaskFailed");
      assert.equal(told[0]?.type, "Warning");
      assert.match(told[0]?.note ?? "", /^back: .*kv\.db is not what was stored/);
    });
  });

  it("stops the members once its snapshot was read through, and says how far it is", async () => {
    await settled(72, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.snapshot = [7];
      let checksAtStop: number | null = null;
      sandbox.onAction = (action) => {
        if (action.kind !== "scale" || action.replicas > 0) return;
        checksAtStop = jobs(sandbox, "verify").length;
      };
      restoreFrom(sandbox, "back", "kv.db");
      const messages = heard(sandbox, "back");
      await ended(sandbox, "back", "Complete");
      const kinds = sandbox.actions.map(({ kind }) => kind);
      assert.ok(kinds.indexOf("checkJob") >= 0);
      assert.ok(kinds.indexOf("checkJob") < kinds.indexOf("restoreJob"));
      assert.equal(checksAtStop, 0, "its Job is gone by then");
      assert.ok(lineageOf(sandbox).has(7));
      const stages = [
        /is checked, and the members run on/,
        /no member runs/,
        /cluster starts with/,
      ];
      assert.deepEqual(
        stages.map((stage) => messages.some((message) => stage.test(message))),
        [true, true, true],
        messages.join("\n"),
      );
      assert.ok(sandbox.events.some(({ reason }) => reason === "AwaitCheck"));
    });
  });

  it("goes on from where its backup lay, though the backup's object go once the members are stopped", async () => {
    await settled(73, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.snapshot = [7];
      const [name, ref] = ["nightly", { namespace: NAMESPACE, name: "nightly" }];
      const destination = { pvc: { claimName: "shelf" } };
      const backup: QuorateBackup = {
        apiVersion: "quorate.io/v1alpha1",
        kind: "QuorateBackup",
        metadata: ref,
        spec: { clusterRef: { name: CLUSTER }, destination },
      };
      sandbox.api.store.create(QUORATE_BACKUP, backup, "person");
      sandbox.api.setStatus(QUORATE_BACKUP, ref, { phase: "Complete" });
      sandbox.onAction = (action) => {
        if (action.kind === "scale" && action.replicas === 0)
          sandbox.api.store.delete(QUORATE_BACKUP, ref);
      };
      const restore = { from: { backupRef: { name } }, acknowledgeDataLoss: true };
      sandbox.task("back", { restore });
      await ended(sandbox, "back", "Complete");
      assert.equal(sandbox.api.store.get(QUORATE_BACKUP, ref), null);
      assert.ok(lineageOf(sandbox).has(7));
    });
  });

  it("is checked on nodes that members may run on, and beside members that suffer no other", async () => {
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] },
    };
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [] };
    const spec = { nodeSelector: { disk: "fast" }, affinity: { nodeAffinity, podAntiAffinity } };
    const look = async (sandbox: Sandbox): Promise<void> => {
      shelve(sandbox);
      restoreFrom(sandbox, "back", "kv.db");
      await sandbox.time.until("a Job", MINUTE, () => jobs(sandbox, "verify").length > 0);
      const [job] = jobs(sandbox, "verify");
      const pod: Readonly<Record<string, unknown>> = job?.spec.template.spec ?? {};
      assert.deepEqual(pod["nodeSelector"], spec.nodeSelector);
      assert.deepEqual(pod["affinity"], { nodeAffinity });
      await ended(sandbox, "back", "Complete");
    };
    await settled(76, look, { podTemplate: { spec } });
  });

  it("whose check is killed is refused, and members serve on", async () => {
    await settled(74, async (sandbox) => {
      shelve(sandbox);
      sandbox.restores.checkKills = 1;
      const pods = podUids(sandbox);
      restoreFrom(sandbox, "back", "kv.db");
      await ended(sandbox, "back", "Failed");
      assert.deepEqual([podUids(sandbox), jobs(sandbox, "verify")], [pods, []]);
      restoreFrom(sandbox, "again", "kv.db");
      await ended(sandbox, "again", "Complete");
    });
  });

  it("is taken back by whoever deletes its task while it is checked", async () => {
    await settled(77, async (sandbox) => {
      shelve(sandbox);
      const pods = podUids(sandbox);
      restoreFrom(sandbox, "back", "kv.db");
      await sandbox.time.until("a Job", MINUTE, () => jobs(sandbox, "verify").length > 0);
      sandbox.api.store.delete(QUORATE_TASK, { namespace: NAMESPACE, name: "back" });
      const isOver = (): boolean => sandbox.journal?.operation === null && sandbox.isSettled(3);
      await sandbox.time.until("it is as before", 5 * MINUTE, isOver);
      assert.deepEqual([podUids(sandbox), jobs(sandbox, "verify")], [pods, []]);
      const { outcome, message = "" } = sandbox.journal?.history.at(-1) ?? {};
      assert.equal(outcome, "Failed");
      assert.match(message, /its QuorateTask was deleted\. Nothing was changed$/);
    });
  });

  it("is judged once and cleared away, whenever its operator is killed", async () => {
    const sandbox = new Sandbox(75);
    shelve(sandbox);
    sandbox.create();
    await operating(sandbox, sandbox.api.operator, () => sandbox.isSettled(3));
    sandbox.restores.damage.set("kv.db", "early");
    const pods = podUids(sandbox);
    const isOver = (name: string): boolean => sandbox.taskStatus(name)?.phase === "Failed";
    let killed = true;
    let lives = 0;
    for (; killed; lives++) {
      const name = `back-${lives}`;
      restoreFrom(sandbox, name, "kv.db");
      const mortal = new Mortal(lives);
      const kube = mortal.guard(sandbox.api.operator);
      await operating(sandbox, kube, () => mortal.isDead || isOver(name));
      killed = mortal.isDead;
      await operating(sandbox, sandbox.api.operator, () => isOver(name) && sandbox.isSettled(3));
      assert.deepEqual([podUids(sandbox), jobs(sandbox, "verify")], [pods, []], name);
    }
    assert.ok(lives > 12, `${lives} lives`);
    const ends = sandbox.journal?.history.flatMap(({ task }) => task ?? []) ?? [];
    assert.equal(new Set(ends).size, ends.length, "each ends once");
  });
});

/** Passes over the cluster until something is so. */
async function operating(sandbox: Sandbox, kube: KubeApi, isSo: () => boolean): Promise<void> {
  const stop = new AbortController();
  const running = sandbox.operate({ ...sandbox.reconciler(), kube }, stop.signal);
  await sandbox.time.until("it is so", 20 * MINUTE, isSo);
  stop.abort();
  await sandbox.time.run(10);
  await running;
}

/** An operator that changes something so many times; the next change is its last, and every other life comes to make that. */
class Mortal {
  #left: number;
  readonly #dies: "before" | "after";
  isDead = false;

  constructor(life: number) {
    this.#left = life >> 1;
    this.#dies = life % 2 === 0 ? "before" : "after";
  }

  guard(api: KubeApi): KubeApi {
    return new Proxy(api, {
      get: (target, name: keyof KubeApi) => {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]): Promise<unknown> => {
          const isLast = CHANGING.has(name) && this.#left-- === 0;
          if (isLast && this.#dies === "before") this.isDead = true;
          if (this.isDead) throw new Error("it was killed");
          const answer = await method.apply(target, args);
          if (isLast) this.isDead = true;
          if (this.isDead) throw new Error("it was killed");
          return answer;
        };
      },
    });
  }
}
