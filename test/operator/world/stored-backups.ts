/** Jobs that back up and delete, and the store that they do it in: as fallible as the world, and each is finished by the next. */
import { QUORATE_BACKUP } from "../../../operator/api/resources.ts";
import type { QuorateBackup } from "../../../operator/api/gen/types.ts";
import type { TransferResult } from "../../../operator/backup/transfer/result.ts";
import type { Job } from "../../../operator/backup/objects.ts";
import type { Lineage } from "./consensus.ts";
import { dueJobs, endJob, flagOf } from "./jobs.ts";
import type { Sandbox } from "./sandbox.ts";
import { VERSION } from "./pod-status.ts";
import { isAt, schemeOfUrl } from "./spoken.ts";

export interface Snapshot {
  readonly writes: readonly number[];
  /** Of root, at that time; null: nobody was asked who they are. */
  readonly password: string | null;
}

interface Stored extends Snapshot {
  readonly result: TransferResult;
}

export class StoredBackups {
  readonly #sandbox: Sandbox;
  /** By the uid of the backup. */
  readonly #stored = new Map<string, Stored>();
  /** Of Jobs that are killed after they have done their work, and of those that fail before. */
  killing = 0;
  failing = 0;
  /** Hears of what must never be. */
  onBreach: (what: string) => void = () => {};

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  start(): void {
    const { api, time } = this.#sandbox;
    const pass = (): void => {
      for (const job of dueJobs(api, time, "backup"))
        endJob(api, time, job, this.#end(job, "take"));
      for (const job of dueJobs(api, time, "delete"))
        endJob(api, time, job, this.#end(job, "remove"));
      time.after(1_000, pass);
    };
    pass();
  }

  /** Uids of the backups that have a file. */
  get uids(): readonly string[] {
    return [...this.#stored.keys()];
  }

  /** The snapshot with this key; null: no backup stored it. */
  read(key: string): Snapshot | null {
    for (const [uid, stored] of this.#stored) if (key.includes(uid)) return stored;
    return null;
  }

  #end(job: Job, what: "take" | "remove"): TransferResult | null {
    const { random } = this.#sandbox.world;
    if (random.chance(this.failing))
      return { kind: "failure", reason: "StoreUnreachable", message: "the store does not answer" };
    const uid = flagOf(job, "backup-uid");
    const result = what === "take" ? this.#take(job, uid) : this.#remove(uid);
    return random.chance(this.killing) ? null : result;
  }

  /** An attempt that finds its own manifest tells it. */
  #take(job: Job, uid: string): TransferResult {
    const found = this.#stored.get(uid);
    if (found !== undefined) return found.result;
    const { world } = this.#sandbox;
    const lineage = [...world.lineages.values()].find(({ leader }) => leader !== null);
    if (lineage === undefined)
      return { kind: "failure", reason: "ClusterUnavailable", message: "no member has a leader" };
    if (!this.#reaches(job, lineage)) {
      this.onBreach(
        `the Job ${job.metadata.name} reaches no member at ${flagOf(job, "endpoints")}`,
      );
      return { kind: "failure", reason: "ClusterUnavailable", message: "no member answers" };
    }
    const result = {
      kind: "backup",
      uri: `s3://b/${uid}`,
      member: lineage.leader ?? "",
      revision: lineage.entries.length,
      clusterId: lineage.clusterId,
      serverVersion: VERSION,
      authEnabled: false,
      sizeBytes: 1,
      storedBytes: 1,
      sha256: "a".repeat(64),
      verified: true,
      seconds: 1,
    } as const;
    this.#stored.set(uid, { writes: lineage.writes, password: world.rootPassword, result });
    return result;
  }

  /** Some member that runs serves what the Job was told of it. */
  #reaches(job: Job, lineage: Lineage): boolean {
    const { world } = this.#sandbox;
    const endpoints = flagOf(job, "endpoints").split(",");
    return world.running(lineage).some(({ pod }) => {
      const served = world.processes.get(pod)?.spoken.clients;
      return endpoints.some((url) => isAt(url, pod) && served?.has(schemeOfUrl(url)) === true);
    });
  }

  /** Whoever keeps its object keeps its file. */
  #remove(uid: string): TransferResult {
    const backups = this.#sandbox.api.store.all(QUORATE_BACKUP) as unknown as QuorateBackup[];
    const kept = backups.find(({ metadata }) => metadata.uid === uid);
    if (kept !== undefined && kept.metadata.deletionTimestamp === undefined)
      this.onBreach(`the file of ${kept.metadata.name} was removed, which nobody deletes`);
    const deleted = this.#stored.delete(uid) ? 1 : 0;
    return { kind: "delete", deleted };
  }
}
