/** A backup to S3, a new cluster out of it, and the old one put back to it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { QUORATE_BACKUP, QUORATE_BACKUP_STORE, SECRET } from "../../operator/api/resources.ts";
import type { QuorateBackup } from "../../operator/api/gen/types.ts";
import type { KubeObject } from "../../operator/kube/api.ts";
import { api, eventually } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { NO_S3, ObjectStore } from "./support/object-store.ts";
import { installOperator } from "./support/operator.ts";
import { Toolbox } from "./support/toolbox.ts";

const NAMESPACE = "e2e-backup";
const DONE_MS_MAX = 120_000;
type Spec = KubeObject & { spec: object };

describe("a cluster with a store for backups", { skip: NO_S3 }, () => {
  let store: ObjectStore;
  let cluster: ClusterUnderTest;
  let box: Toolbox;
  let revision = 0;

  before(async () => {
    await installOperator();
    store = await ObjectStore.start();
    cluster = await ClusterUnderTest.create(NAMESPACE, { replicas: 3 });
    await api.create<KubeObject & { stringData: object }>(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s3", namespace: NAMESPACE },
      stringData: store.credentials,
    });
    await api.create<Spec>(QUORATE_BACKUP_STORE, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateBackupStore",
      metadata: { name: "s3", namespace: NAMESPACE },
      spec: {
        s3: {
          bucket: store.bucket,
          endpoint: store.endpoint,
          forcePathStyle: true,
          credentialsSecretRef: { name: "s3" },
        },
      },
    });
    await cluster.ready(60_000);
    box = await Toolbox.start(cluster.ref);
  });
  after(async () => {
    await cluster.remove();
    await store.stop();
  });

  it("makes a backup that is read back and verified", async () => {
    for (let i = 0; i < 20; i++) await box.ctl("put", `key/${i}`, `before ${i}`);
    await api.create<Spec>(QUORATE_BACKUP, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateBackup",
      metadata: { name: "first", namespace: NAMESPACE },
      spec: {
        clusterRef: { name: "kv" },
        destination: { storeRef: { name: "s3" } },
      },
    });
    const backup = await eventually<QuorateBackup>(
      "the backup is over",
      QUORATE_BACKUP,
      { namespace: NAMESPACE, name: "first" },
      (found) => found?.status?.phase === "Complete" || found?.status?.phase === "Failed",
      DONE_MS_MAX,
    );
    assert.equal(backup?.status?.phase, "Complete", backup?.status?.message);
    assert.equal(backup?.status?.verified, true);
    assert.match(backup?.status?.sha256 ?? "", /^[0-9a-f]{64}$/);
    revision = backup?.status?.revision ?? 0;
    assert.ok(revision >= 20);
  });

  it("is the beginning of another cluster", async () => {
    await box.ctl("put", "key/0", "after");
    const bootstrap = { restoreFrom: { backupRef: { name: "first" } } };
    const copy = await cluster.sibling("copy", { replicas: 3, bootstrap });
    const { status } = await copy.ready(DONE_MS_MAX);
    const other = await Toolbox.start(copy.ref);
    assert.equal(await other.ctl("get", "key/0", "--print-value-only"), "before 0");
    assert.equal(await other.ctl("get", "key/19", "--print-value-only"), "before 19");
    assert.notEqual(status?.clusterID, (await cluster.get()).status?.clusterID);
  });

  it("takes the cluster itself back to what it was, with a higher revision than it ever had", async () => {
    const header = JSON.parse(await box.ctl("get", "key/0", "-w", "json")) as {
      header: { revision: number };
    };
    const action = { from: { backupRef: { name: "first" } }, acknowledgeDataLoss: true };
    await cluster.task("back", { restore: action }, 2 * DONE_MS_MAX);
    await cluster.ready(DONE_MS_MAX);
    assert.equal(await box.ctl("get", "key/0", "--print-value-only"), "before 0");
    const after = JSON.parse(await box.ctl("get", "key/0", "-w", "json")) as typeof header;
    assert.ok(after.header.revision > header.header.revision);
  });
});
