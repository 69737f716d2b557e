/** What the members agreed on about versions: the cluster's, and the downgrade that is in progress. */
import { decodeDowngradeInfo, encodeDowngradeInfo } from "../api/gen/maintenance.ts";
import type { DowngradeInfo } from "../api/gen/maintenance.ts";
import type { BucketReader, BucketWriter } from "../backend/backend.ts";
import { Bucket } from "../backend/buckets.ts";

/** In the bucket `meta`: `major.minor.patch` as text, and an etcdserverpb.DowngradeInfo. */
const CLUSTER_KEY = Buffer.from("clusterVersion");
const DOWNGRADE_KEY = Buffer.from("downgrade");
const NO_DOWNGRADE: DowngradeInfo = { enabled: false, targetVersion: "" };

export class Versions {
  readonly #buffer: BucketReader & BucketWriter;
  #cluster: string | null;
  #downgrade: DowngradeInfo;

  constructor(buffer: BucketReader & BucketWriter) {
    this.#buffer = buffer;
    const cluster = buffer.getSync(Bucket.meta, CLUSTER_KEY);
    this.#cluster = cluster === undefined ? null : Buffer.from(cluster).toString();
    const downgrade = buffer.getSync(Bucket.meta, DOWNGRADE_KEY);
    this.#downgrade = downgrade === undefined ? NO_DOWNGRADE : decodeDowngradeInfo(downgrade);
  }

  /** `major.minor.patch`; null as long as nobody had reason to set it. */
  get cluster(): string | null {
    return this.#cluster;
  }

  /** Target `major.minor.patch`; empty where none is in progress. */
  get downgrade(): DowngradeInfo {
    return this.#downgrade;
  }

  setCluster(version: string): void {
    this.#cluster = version;
    this.#buffer.put(Bucket.meta, CLUSTER_KEY, Buffer.from(version));
  }

  setDowngrade({ enabled, targetVersion }: DowngradeInfo): void {
    this.#downgrade = enabled ? { enabled, targetVersion } : NO_DOWNGRADE;
    this.#buffer.put(Bucket.meta, DOWNGRADE_KEY, Buffer.from(encodeDowngradeInfo(this.#downgrade)));
  }
}
