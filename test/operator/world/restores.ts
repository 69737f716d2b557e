/** Jobs that restore: some seconds later the disk of ordinal 0 holds a cluster of one, with what the snapshot had. */
import { JOB, PERSISTENT_VOLUME_CLAIM, POD } from "../../../operator/api/resources.ts";
import { encodeResult } from "../../../operator/backup/transfer/result.ts";
import type { Job, JobPod } from "../../../operator/backup/objects.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { Lineage, emptyDisk } from "./consensus.ts";
import type { Sandbox } from "./sandbox.ts";
import { NAMESPACE, clusterIdOf, urlOf } from "./world.ts";

const TAKES_MS = 3_000;

export class Restores {
  readonly #sandbox: Sandbox;
  /** What Jobs fail with; null: they succeed. */
  failure: string | null = null;
  /** So many Jobs are killed after they have put the snapshot in place, before they could tell. */
  kills = 0;
  /** Writes that the snapshot has. */
  snapshot: readonly number[] = [];

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  start(): void {
    const pass = (): void => {
      for (const job of this.#sandbox.api.store.all(JOB) as unknown as Job[])
        if (job.status === undefined && this.#isDue(job)) this.#end(job);
      this.#sandbox.time.after(1_000, pass);
    };
    pass();
  }

  #isDue({ metadata }: Job): boolean {
    const age = this.#sandbox.time.wall() - Date.parse(metadata.creationTimestamp ?? "");
    return age >= TAKES_MS;
  }

  #end(job: Job): void {
    const { api, world } = this.#sandbox;
    const { name } = job.metadata;
    const isKilled = this.kills > 0 && this.failure === null;
    if (isKilled) {
      this.kills--;
      this.#restore(job);
      const reason = "DeadlineExceeded";
      const conditions = [{ type: "Failed", status: "True", reason }];
      api.setStatus(JOB, { namespace: NAMESPACE, name }, { conditions });
      return;
    }
    const succeeded = this.failure === null;
    const text = succeeded
      ? this.#restore(job)
      : encodeResult({ kind: "failure", reason: "SnapshotDamaged", message: this.failure ?? "" });
    const pod: JobPod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `${name}-${world.random.bits().toString(36)}`,
        namespace: NAMESPACE,
        labels: { "batch.kubernetes.io/job-name": name },
        ownerReferences: [
          {
            apiVersion: "batch/v1",
            kind: "Job",
            name,
            uid: job.metadata.uid ?? "",
            controller: true,
          },
        ],
      },
    };
    api.store.create(POD, pod, "job-controller");
    const terminated = {
      exitCode: succeeded ? 0 : 64,
      message: text,
      finishedAt: new Date(this.#sandbox.time.wall()).toISOString(),
    };
    api.setStatus(
      POD,
      { namespace: NAMESPACE, name: pod.metadata.name },
      {
        phase: succeeded ? "Succeeded" : "Failed",
        containerStatuses: [{ name: "transfer", state: { terminated } }],
      },
    );
    const type = succeeded ? "Complete" : "Failed";
    api.setStatus(JOB, { namespace: NAMESPACE, name }, { conditions: [{ type, status: "True" }] });
  }

  #restore(job: Job): string {
    const { api, world } = this.#sandbox;
    const args = job.spec.template.spec.containers[0]?.args ?? [];
    const given = (flag: string): string =>
      args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3) ?? "";
    const member = given("member");
    const ref = { namespace: NAMESPACE, name: `data-${member}` };
    const uid = api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid ?? "";
    const disk = world.disks.get(uid) ?? emptyDisk();
    world.disks.set(uid, disk);
    const clusterId = clusterIdOf(given("nonce"));
    const id = world.newId();
    const seat = {
      id,
      url: urlOf(world.scheme, world.cluster, member),
      learner: false,
      name: member,
    };
    const lineage = new Lineage(clusterId, seat, world.random.fork(clusterId));
    for (const write of this.snapshot) lineage.entries.push({ kind: "write", id: write });
    world.lineages.set(clusterId, lineage);
    disk.removed = false;
    disk.index = lineage.entries.length;
    disk.identity = {
      clusterId: BigInt(`0x${clusterId}`),
      memberId: BigInt(`0x${id}`) as MemberId,
      incarnation: 1n,
      fenceIncarnation: Number(given("incarnation")),
      usedNonce: null,
    };
    const revision = disk.index;
    return encodeResult({
      kind: "restore",
      clusterId,
      memberId: id,
      revision,
      sizeBytes: 1,
      seconds: 1,
    });
  }
}
