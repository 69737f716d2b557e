/** Jobs that check and restore: some seconds later the disk of ordinal 0 holds a cluster of one, with what the snapshot had. */
import { JOB, PERSISTENT_VOLUME_CLAIM } from "../../../operator/api/resources.ts";
import type { TransferResult } from "../../../operator/backup/transfer/result.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import type { ObjectRef } from "../../../operator/kube/api.ts";
import type { MemberId } from "../../../src/raft/types.ts";
import { Lineage, emptyDisk } from "./consensus.ts";
import { dueJobs, endJob, expiredJobs, flagOf, purposeOf } from "./jobs.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Snapshot } from "./stored-backups.ts";
import { clusterIdOf } from "./identities.ts";
import { NAMESPACE } from "./world.ts";

/** "early": its check finds it, "late": it comes between the check and the restore, which finds it. */
export type Damage = "early" | "late";

export class Restores {
  readonly #sandbox: Sandbox;
  /** Of snapshots, by their keys; those that are not here are sound. */
  readonly damage: Map<string, Damage> = new Map();
  /** So many checks are killed, and not begun again in time. */
  checkKills = 0;
  /** So many Jobs are killed after they have put the snapshot in place, before they could tell. */
  kills = 0;
  /** Writes that a snapshot has which is no stored backup, and root's password in it. */
  snapshot: readonly number[] = [];
  password: string | null = null;
  /** Hears of members that are stopped, all of them, for nothing. */
  onIdle: (what: string) => void = () => {};
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
      for (const job of expiredJobs(api, time, "verify")) api.store.delete(JOB, refTo(job));
      for (const job of dueJobs(api, time, "verify")) endJob(api, time, job, this.#check(job));
      for (const job of dueJobs(api, time, "restore")) endJob(api, time, job, this.#run(job));
      time.after(1_000, pass);
    };
    pass();
  }

  /** Jobs that check a snapshot, whatever has become of them. */
  get checks(): readonly Job[] {
    const jobs = this.#sandbox.api.store.all(JOB) as unknown as Job[];
    return jobs.filter((job) => purposeOf(job) === "verify");
  }

  /** Called where an operator stops all members. */
  judgeStop(): void {
    const operation = this.#sandbox.journal?.operation;
    if (operation?.type !== "Restore") return;
    const key = operation.source.pvc?.path ?? "";
    if (this.damage.get(key) === "early") this.onIdle(`for ${key}, which was always damaged`);
  }

  #check(job: Job): TransferResult | null {
    if (this.checkKills > 0) {
      this.checkKills--;
      return null;
    }
    const key = flagOf(job, "key");
    if (this.damage.get(key) === "early") return damaged(key);
    if (this.#read(job) === null) return gone(key);
    const sha256 = "a".repeat(64);
    return { kind: "verify", uri: key, sizeBytes: 1, storedBytes: 1, sha256, seconds: 1 };
  }

  #run(job: Job): TransferResult | null {
    const nonce = flagOf(job, "nonce");
    const done = this.#done.get(nonce);
    if (done !== undefined) return done;
    const key = flagOf(job, "key");
    const found = this.damage.get(key);
    if (found !== undefined) return damaged(key);
    const snapshot = this.#read(job);
    if (snapshot === null) return gone(key);
    const result = this.#restore(job, snapshot);
    this.#done.set(nonce, result);
    if (this.kills === 0) return result;
    this.kills--;
    return null;
  }

  /** Null: what was in the store was deleted. What lies on a claim stays. */
  #read(job: Job): Snapshot | null {
    const stored = this.#sandbox.backups.read(flagOf(job, "key"));
    if (stored !== null || flagOf(job, "store") !== "claim") return stored;
    return { writes: this.snapshot, password: this.password };
  }

  #restore(job: Job, { writes, password }: Snapshot): TransferResult {
    const { api, world } = this.#sandbox;
    const member = flagOf(job, "member");
    this.onRestore(member, writes);
    world.rootPassword = password;
    const ref = { namespace: NAMESPACE, name: `data-${member}` };
    const uid = api.store.get(PERSISTENT_VOLUME_CLAIM, ref)?.metadata.uid ?? "";
    const disk = world.disks.get(uid) ?? emptyDisk();
    world.disks.set(uid, disk);
    const clusterId = clusterIdOf(flagOf(job, "nonce"));
    const id = world.newId();
    const url = flagOf(job, "peer-urls");
    const seat = { id, url, learner: false, name: member };
    const lineage = new Lineage(clusterId, seat, world.random.fork(clusterId));
    for (const write of writes) lineage.entries.push({ kind: "write", id: write });
    world.lineages.set(clusterId, lineage);
    disk.removed = false;
    disk.isDamaged = false;
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

function damaged(key: string): TransferResult {
  const message = `${key} is not what was stored`;
  return { kind: "failure", reason: "SnapshotDamaged", message };
}

function refTo({ metadata }: Job): ObjectRef {
  return { namespace: NAMESPACE, name: metadata.name };
}

function gone(key: string): TransferResult {
  return { kind: "failure", reason: "NotFound", message: `there is no ${key}` };
}
