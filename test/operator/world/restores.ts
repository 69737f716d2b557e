/** Jobs that restore: some seconds later the disk of ordinal 0 holds a cluster of one, with what the snapshot had. */
import { PERSISTENT_VOLUME_CLAIM } from "../../../operator/api/resources.ts";
import type { TransferResult } from "../../../operator/backup/transfer/result.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { Lineage, emptyDisk } from "./consensus.ts";
import { dueJobs, endJob, flagOf } from "./jobs.ts";
import type { Sandbox } from "./sandbox.ts";
import { NAMESPACE, clusterIdOf, urlOf } from "./world.ts";

export class Restores {
  readonly #sandbox: Sandbox;
  /** What Jobs fail with; null: they succeed. */
  failure: string | null = null;
  /** So many Jobs are killed after they have put the snapshot in place, before they could tell. */
  kills = 0;
  /** Writes that a snapshot has which is no stored backup. */
  snapshot: readonly number[] = [];
  /** Hears of the pod whose disk is written, and of the writes that are on it from then on. */
  onRestore: (pod: string, writes: readonly number[]) => void = () => {};

  /** By nonce: an attempt that finds its work done tells it, and asks no store. */
  readonly #done = new Map<string, TransferResult>();

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  start(): void {
    const { api, time } = this.#sandbox;
    const pass = (): void => {
      for (const job of dueJobs(api, time, "restore")) endJob(api, time, job, this.#run(job));
      time.after(1_000, pass);
    };
    pass();
  }

  #run(job: Job): TransferResult | null {
    const nonce = flagOf(job, "nonce");
    const done = this.#done.get(nonce);
    if (done !== undefined) return done;
    if (this.failure !== null)
      return { kind: "failure", reason: "SnapshotDamaged", message: this.failure };
    const writes = this.#sandbox.backups.read(flagOf(job, "key")) ?? this.snapshot;
    const result = this.#restore(job, writes);
    this.#done.set(nonce, result);
    if (this.kills === 0) return result;
    this.kills--;
    return null;
  }

  #restore(job: Job, writes: readonly number[]): TransferResult {
    const { api, world } = this.#sandbox;
    const member = flagOf(job, "member");
    this.onRestore(member, writes);
    const ref = { namespace: NAMESPACE, name: `data-${member}` };
    const uid = api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid ?? "";
    const disk = world.disks.get(uid) ?? emptyDisk();
    world.disks.set(uid, disk);
    const clusterId = clusterIdOf(flagOf(job, "nonce"));
    const id = world.newId();
    const url = urlOf(world.scheme, world.cluster, member);
    const seat = { id, url, learner: false, name: member };
    const lineage = new Lineage(clusterId, seat, world.random.fork(clusterId));
    for (const write of writes) lineage.entries.push({ kind: "write", id: write });
    world.lineages.set(clusterId, lineage);
    disk.removed = false;
    disk.index = lineage.entries.length;
    disk.identity = {
      clusterId: BigInt(`0x${clusterId}`),
      memberId: BigInt(`0x${id}`) as MemberId,
      incarnation: 1n,
      fenceIncarnation: Number(flagOf(job, "incarnation")),
      usedNonce: null,
    };
    const revision = disk.index;
    return { kind: "restore", clusterId, memberId: id, revision, sizeBytes: 1, seconds: 1 };
  }
}
