/** Disks: full, too small, asleep, left behind and deleted, under load where there is any. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  PERSISTENT_VOLUME_CLAIM,
  POD,
  SERVICE,
  STORAGE_CLASS,
} from "../../operator/api/resources.ts";
import type { KubeObject } from "../../operator/kube/api.ts";
import { api, conditionIn, conditionOf, eventually, warned } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { fillUp } from "./support/filler.ts";
import { commonHash, revisionOf } from "./support/hash.ts";
import { installOperator } from "./support/operator.ts";
import { Plugin } from "./support/plugin.ts";
import { Toolbox } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

const NAMESPACE = "e2e-storage";
const STEP_MS_MAX = 120_000;
/** A store that refuses writes is noticed within the half minute after which a settled cluster is looked at again. */
const SPACE_MS_MAX = 40_000;
const ORDINALS = [0, 1, 2];
const QUOTA_BYTES = 16 * 1024 * 1024;
const FIXED = { namespace: null, name: "e2e-fixed" };
/** The least that there is. Nobody compacts but the operator. */
const SPEC = {
  replicas: 3,
  storage: { size: "512Mi" },
  server: { quotaBackend: "16Mi", autoCompaction: { retention: "0" } },
};

interface Claim extends KubeObject {
  readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } };
  readonly status?: { readonly capacity?: { readonly storage?: string } };
}
type Class = KubeObject & { provisioner: string; volumeBindingMode?: string };

/** As the default class, but its volumes stay as they are. */
async function makeFixedClass(): Promise<void> {
  const { items } = await api.list<Class>(STORAGE_CLASS, { namespace: null });
  const DEFAULT = "storageclass.kubernetes.io/is-default-class";
  const found = items.find(({ metadata }) => metadata.annotations?.[DEFAULT] === "true");
  if (found === undefined) throw new Error("the cluster has no default StorageClass");
  const { provisioner, volumeBindingMode } = found;
  const fixed: Class & { allowVolumeExpansion: boolean } = {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: FIXED.name },
    provisioner,
    ...(volumeBindingMode === undefined ? {} : { volumeBindingMode }),
    allowVolumeExpansion: false,
  };
  await api.apply(STORAGE_CLASS, fixed);
}

describe("a cluster and its disks", () => {
  let cluster: ClusterUnderTest;
  let fixed: ClusterUnderTest;
  let box: Toolbox;
  let witness: Witness;
  const plugin = new Plugin(NAMESPACE);

  before(async () => {
    await installOperator();
    await makeFixedClass();
    cluster = await ClusterUnderTest.create(NAMESPACE, SPEC);
    const storage = { ...SPEC.storage, storageClassName: FIXED.name };
    fixed = await cluster.sibling("fixed", { ...SPEC, replicas: 1, storage });
    await cluster.ready(60_000);
    [box, witness] = await Promise.all([
      Toolbox.start(cluster.ref),
      Witness.start(cluster.ref, { members: 3 }),
    ]);
  });
  after(async () => {
    await cluster.remove();
    await api.delete(STORAGE_CLASS, FIXED);
  });

  const uids = async (): Promise<(string | undefined)[]> =>
    await Promise.all(
      ORDINALS.map(async (ordinal) => (await api.get(POD, cluster.pod(ordinal)))?.metadata.uid),
    );
  const claimUids = async (): Promise<(string | undefined)[]> =>
    await Promise.all(
      ORDINALS.map(
        async (ordinal) =>
          (await api.get(PERSISTENT_VOLUME_CLAIM, cluster.claim(ordinal)))?.metadata.uid,
      ),
    );

  it("makes room by itself where history has filled the quota", async () => {
    const raised = cluster.until(
      "the alarm is told",
      ({ status }) => status?.alarms?.some((alarm) => alarm.includes("NOSPACE")) ?? false,
      STEP_MS_MAX,
    );
    const endpoint = `https://kv-client.${NAMESPACE}.svc:2379`;
    const taken = await fillUp(box, endpoint, 8 * QUOTA_BYTES);
    assert.ok(taken >= QUOTA_BYTES / 2, `${taken} bytes`);
    await raised;
    await cluster.until(
      "the alarm is over",
      ({ status }) => status?.alarms?.length === 0 && status.operation === undefined,
      STEP_MS_MAX,
    );
    await cluster.ready(STEP_MS_MAX);
    await box.ctl("put", "after", "there is room");
    await assert.rejects(box.ctl("get", "after", "--rev=5"), /compacted/);
    await witness.assertServed("NOSPACE, compacted, defragmented and disarmed", SPACE_MS_MAX);
    await witness.assertTrue();
  });

  it("gets larger volumes without a pod made anew", async () => {
    const before = await uids();
    const ids = await cluster.ids();
    await cluster.patch({ storage: { size: "1Gi" } });
    await cluster.ready(STEP_MS_MAX);
    for (const ordinal of ORDINALS)
      await eventually<Claim>(
        `the claim ${ordinal} has grown`,
        PERSISTENT_VOLUME_CLAIM,
        cluster.claim(ordinal),
        (claim) =>
          claim?.spec.resources.requests.storage === "1Gi" &&
          claim.status?.capacity?.storage === "1Gi",
        STEP_MS_MAX,
      );
    assert.deepEqual(await uids(), before);
    assert.deepEqual(await cluster.ids(), ids);
    await witness.assertServed("volumes grown");
  });

  it("says of volumes that cannot grow that they cannot, and what else there is to do", async () => {
    await fixed.ready(60_000);
    await fixed.patch({ storage: { size: "1Gi" } });
    const { status } = await fixed.untilCondition("Stalled", "True", STEP_MS_MAX);
    const { message } = conditionIn(status, "Stalled");
    assert.match(message, /class e2e-fixed does not let volumes grow: data-fixed-0 .*QuorateTasks/);
    assert.equal(conditionIn(status, "Available").reason, "Quorum");
    await warned(fixed.ref, /class e2e-fixed does not let volumes grow/);
    const claim = await api.get<Claim>(PERSISTENT_VOLUME_CLAIM, fixed.claim(0));
    assert.equal(claim?.spec.resources.requests.storage, "512Mi");
  });

  it("changes nothing while it is paused, and catches up afterwards", async () => {
    const service = { namespace: NAMESPACE, name: "kv-client" };
    const annotationOf = (found: KubeObject | null): string | undefined =>
      found?.metadata.annotations?.["example.test/paused"];
    assert.equal(await plugin.run("pause", "kv"), "kv is paused");
    await cluster.patch({ clientService: { annotations: { "example.test/paused": "no" } } });
    const { status } = await cluster.until(
      "the pause is told of the spec as it is now",
      (found) =>
        conditionOf(found, "Reconciling") === "False" &&
        conditionIn(found.status, "Reconciling").reason === "Paused",
      STEP_MS_MAX,
    );
    assert.equal(status?.readyReplicas, 3, "the status goes on");
    assert.equal(annotationOf(await api.get(SERVICE, service)), undefined);
    assert.equal(await plugin.run("resume", "kv"), "kv goes on");
    const caughtUp = (found: KubeObject | null): boolean => annotationOf(found) === "no";
    await eventually("the Service is annotated", SERVICE, service, caughtUp, STEP_MS_MAX);
    await cluster.ready(STEP_MS_MAX);
    await witness.assertServed("paused and resumed");
  });

  it("sleeps without a pod, and wakes up with all that it had", async () => {
    const [revision, claims] = [await revisionOf(box), await claimUids()];
    const [hash, ids] = [await commonHash(box, revision), await cluster.ids()];
    await cluster.patch({ replicas: 0 });
    await cluster.until(
      "it sleeps",
      ({ status }) =>
        conditionIn(status, "Ready").reason === "Hibernating" && status?.operation === undefined,
      STEP_MS_MAX,
    );
    for (const ordinal of ORDINALS) assert.equal(await api.get(POD, cluster.pod(ordinal)), null);
    assert.deepEqual(await claimUids(), claims);
    await cluster.patch({ replicas: 3 });
    await cluster.ready(STEP_MS_MAX);
    assert.equal(await commonHash(box, revision), hash);
    assert.deepEqual(await cluster.ids(), ids);
    await witness.assertServed("asleep and awake again", STEP_MS_MAX);
    await witness.assertTrue();
  });

  it("leaves its volumes behind, which the next cluster of its name begins with", async () => {
    await witness.stop();
    await box.ctl("put", "left", "behind");
    const [revision, claims] = [await revisionOf(box), await claimUids()];
    const [hash, ids] = [await commonHash(box, revision), await cluster.ids()];
    const { clusterID } = (await cluster.get()).status ?? {};
    await box.stop();
    await cluster.unmake();
    await cluster.make({ ...SPEC, storage: { size: "1Gi", retention: { onDelete: "Delete" } } });
    const { status } = await cluster.ready(STEP_MS_MAX);
    assert.equal(status?.clusterID, clusterID);
    assert.deepEqual(await claimUids(), claims);
    assert.deepEqual(await cluster.ids(), ids);
    box = await Toolbox.start(cluster.ref);
    assert.equal(await commonHash(box, revision), hash);
    assert.equal(await box.ctl("get", "left", "--print-value-only"), "behind");
  });

  it("takes its volumes with it where it is told to, and no other cluster's", async () => {
    await cluster.unmake();
    const { items } = await api.list(PERSISTENT_VOLUME_CLAIM, { namespace: NAMESPACE });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["data-fixed-0"],
    );
    await fixed.ready(STEP_MS_MAX);
  });
});
