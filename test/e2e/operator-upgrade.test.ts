/** The operator is upgraded from the build before, with its chart and CustomResourceDefinitions: no member restarts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { SERVICE, STATEFUL_SET } from "../../operator/api/resources.ts";
import type { KubeObject } from "../../operator/kube/api.ts";
import { run, tool } from "../conformance/support/tools.ts";
import { ROOT } from "../house/scan.ts";
import { api } from "./support/api.ts";
import { NO_BUILDS, previousBuild } from "./support/builds.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { IMAGE } from "./support/image.ts";
import { installFrom, installOperator, operatorWorks } from "./support/operator.ts";
import { Witness } from "./support/witness.ts";

const STEP_MS_MAX = 120_000;
const MARK = "example.test/seen-by";

describe("a cluster that an older operator made", { skip: NO_BUILDS }, () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;

  before(async () => {
    const { chart, image, what } = previousBuild();
    console.log(`    from ${what}`);
    await installFrom(chart, image);
    await operatorWorks(image);
    const podTemplate = { metadata: { annotations: { "example.test/of": "a person" } } };
    const server = { heartbeatInterval: "150ms", electionTimeout: "1500ms" };
    cluster = await ClusterUnderTest.create("e2e-upgrade", {
      version: undefined,
      replicas: 3,
      podTemplate,
      server,
    });
    const { status } = await cluster.ready(60_000);
    assert.equal(status?.image, image.name, "the operator's own, since the spec names none");
    witness = await Witness.start(cluster.ref, { members: 3 });
  });
  after(async () => {
    await cluster.remove();
    await installOperator();
  });

  it("has no member restarted by an upgrade of the operator, which then looks after it", async () => {
    const [lives, set] = [await cluster.lives(), await api.get(STATEFUL_SET, cluster.ref)];
    await installOperator();
    await operatorWorks(IMAGE);
    await witness.assertServed("upgrade of the operator");
    await cluster.patch({ clientService: { annotations: { [MARK]: "the newer" } } });
    const { status } = await cluster.ready(STEP_MS_MAX);
    const service = await api.get(SERVICE, { ...cluster.ref, name: "kv-client" });
    assert.equal(service?.metadata.annotations?.[MARK], "the newer");
    assert.equal(status?.image, previousBuild().image.name);
    assert.deepEqual(await cluster.lives(), lives);
    type Set = KubeObject & { spec?: { template: object } };
    const now = await api.get<Set>(STATEFUL_SET, cluster.ref);
    assert.deepEqual(now?.spec?.template, (set as Set | null)?.spec?.template);
    await witness.assertServed("an edit that the newer operator follows");
    await witness.assertTrue();
  });

  it("is described by the newer definitions", async () => {
    const folder = join(ROOT, "manifests/crd");
    const flags = ["--server-side", "--force-conflicts", `--filename=${folder}`];
    const { code, stdout } = await run([tool("kubectl"), "diff", ...flags]);
    assert.equal(code, 0, stdout);
  });
});
