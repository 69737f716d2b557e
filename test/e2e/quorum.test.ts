/**
 * Two of three members lose their disks for good: nothing happens by itself, a person's word brings the cluster back, and who
 * returns from before stays out. In the minutes before a quorum is called lost, a cluster beside it is looked after by hand.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { PERSISTENT_VOLUME_CLAIM, POD } from "../../operator/api/resources.ts";
import { until } from "../conformance/support/tools.ts";
import { api, askPod, conditionIn, warned } from "./support/api.ts";
import { ClusterUnderTest, type PodObject, isReady } from "./support/cluster.ts";
import { KeptData, logOf } from "./support/ghost.ts";
import { installOperator } from "./support/operator.ts";
import { Plugin } from "./support/plugin.ts";
import { Toolbox } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

const NAMESPACE = "e2e-quorum";
const LOST_MS_MAX = 420_000;
const RECOVERED_MS_MAX = 240_000;
const STEP_MS_MAX = 120_000;
const REFUSED_MS_MAX = 60_000;

describe("a cluster that lost two of its three disks, and one beside it that is well", () => {
  let cluster: ClusterUnderTest;
  let well: ClusterUnderTest;
  let box: Toolbox;
  let witness: Witness;
  let kept: KeptData;
  let pastId = "";
  const plugin = new Plugin(NAMESPACE);

  before(async () => {
    await installOperator();
    cluster = await ClusterUnderTest.create(NAMESPACE, { replicas: 3 });
    well = await cluster.sibling("well", { replicas: 3 });
    const { status } = await cluster.ready(90_000);
    pastId = status?.clusterID ?? "";
    box = await Toolbox.start(cluster.ref);
    for (let i = 0; i < 20; i++) await box.ctl("put", `key/${i}`, `value ${i}`);
    kept = await KeptData.take(cluster, 0, ["guarded", "unguarded"]);
    await well.ready(60_000);
    witness = await Witness.start(well.ref, { members: 3 });
  });
  after(async () => await cluster.remove());

  it("loses them, and nothing is done about it", async () => {
    // Together, so that no quorum is left to replace the first of them.
    await Promise.all(
      [0, 1].flatMap((ordinal) => [
        api.delete(PERSISTENT_VOLUME_CLAIM, cluster.claim(ordinal)),
        api.delete(POD, cluster.pod(ordinal), { gracePeriodSeconds: 0 }),
      ]),
    );
    await cluster.untilCondition("Available", "False", STEP_MS_MAX);
  });

  it("is told of by kubectl quorate, with the one beside it, in a line each", async () => {
    const lines = (await plugin.run("status")).split("\n");
    assert.match(lines.find((line) => line.startsWith("kv ")) ?? "", /^kv +[01]\/3 /);
    assert.match(lines.find((line) => line.startsWith("well ")) ?? "", /^well +3\/3 +Ready/);
    assert.match(await plugin.run("status", "well"), /3 of 3 ready/);
    const members = (await plugin.run("members", "well")).split("\n");
    for (const { name, id, node } of await well.members()) {
      const line = members.find((each) => each.startsWith(`${name} `)) ?? "";
      for (const text of [id, node]) assert.ok(line.includes(text ?? "?"), line);
    }
    assert.match(await plugin.run("logs", "well", "--tail", "5"), /^well-1 \{/m);
  });

  it("has a leader where a person wants it", async () => {
    const leader = await well.leader();
    const to = ["well-0", "well-1", "well-2"].find((name) => name !== leader) ?? "";
    assert.match(await plugin.run("move-leader", "well", to), /is done$/);
    await well.until(`${to} leads`, ({ status }) => status?.leader === to, STEP_MS_MAX);
    await witness.assertServed("move-leader");
  });

  it("is defragmented member by member", async () => {
    assert.match(await plugin.run("defrag", "well"), /is done$/);
    await witness.assertServed("defrag");
  });

  it("has an empty member in the place of one that a person gave up, and keeps the others", async () => {
    const before = await well.ids();
    assert.match(await plugin.run("replace", "well", "well-1"), /is done$/);
    await well.ready(STEP_MS_MAX);
    const now = await well.ids();
    assert.deepEqual(
      now.map((each, at) => each === before[at]),
      [true, false, true],
    );
    await witness.assertServed("replace");
    await witness.assertTrue();
  });

  it("is described in an archive, without a Secret", async () => {
    const folder = mkdtempSync(join(tmpdir(), "e2e-report-"));
    const path = join(folder, "report.tar.gz");
    assert.equal(await plugin.run("report", "well", "--output", path), path);
    const text = gunzipSync(readFileSync(path)).toString("latin1");
    for (const name of ["cluster.yaml", "pods", "well-0", "quorate-operator"])
      assert.ok(text.includes(name), name);
    assert.match(text, /ready to serve client requests/);
    assert.doesNotMatch(text, /PRIVATE KEY/);
    rmSync(folder, { recursive: true });
  });

  it("says that its quorum is lost and what the way out is, and waits for a person", async () => {
    const { status } = await cluster.untilCondition("QuorumLost", "True", LOST_MS_MAX);
    const { message } = conditionIn(status, "QuorumLost");
    assert.match(message, /recoverQuorum with survivor kv-2 and acknowledgeDataLoss/);
    await warned(cluster.ref, /survivor kv-2/);
    const survivor = await api.get(PERSISTENT_VOLUME_CLAIM, cluster.claim(2));
    assert.equal(survivor?.metadata.deletionTimestamp, undefined);
    for (const [words, asks] of [
      [[], /--survivor MEMBER/],
      [["--survivor", "kv-2"], /--acknowledge-data-loss/],
    ] as const) {
      const { code, stderr } = await plugin.try("recover", "kv", ...words);
      assert.equal(code, 2);
      assert.match(stderr, asks);
    }
  });

  it("goes on with what the survivor has, and is three again", async () => {
    const began = performance.now();
    const words = ["--survivor", "kv-2", "--acknowledge-data-loss"];
    assert.match(await plugin.run("recover", "kv", ...words), /is done$/);
    const { status } = await cluster.ready(RECOVERED_MS_MAX);
    console.log(`    three again after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    assert.equal(status?.members?.filter(({ role }) => role === "Voter").length, 3);
    assert.equal(status?.incarnation, 2);
    assert.notEqual(status?.clusterID, pastId);
    for (const i of [0, 7, 19])
      assert.equal(await box.ctl("get", `key/${i}`, "--print-value-only"), `value ${i}`);
    await box.ctl("put", "key/20", "value 20");
  });

  it("keeps out a member of the past whose disk comes back: its fence is known", async () => {
    const ghost = await kept.start("guarded", "guarded");
    interface Report {
      readonly phase: string;
      readonly reason: string;
      readonly clusterId: string;
    }
    let report: Report | null = null;
    await until("it is fenced", REFUSED_MS_MAX, async () => {
      report = (await askPod(ghost, 2381, "/boot").catch(() => null)) as Report | null;
      return report?.phase === "Fenced";
    });
    assert.deepEqual(report, { ...(report as Report | null), clusterId: pastId });
    assert.match(JSON.stringify(report), /recovered without this disk: it is of incarnation 1/);
    await api.delete(POD, ghost, { gracePeriodSeconds: 0 });
  });

  it("keeps it out as well where nothing tells it of its fence: its peers refuse it by name", async () => {
    const before = await cluster.get();
    const ghost = await kept.start("unguarded", "unguarded");
    const now = before.status?.clusterID ?? "";
    const refusal = `it belongs to cluster ${pastId}, this member to ${now}`;
    await until("the members refuse it", REFUSED_MS_MAX, async () =>
      (await logOf(ghost)).includes(refusal),
    );
    const pod = await api.get<PodObject>(POD, ghost);
    assert.equal(pod === null || isReady(pod), false);
    await box.ctl("put", "key/21", "value 21");
    const { status } = await cluster.ready(STEP_MS_MAX);
    const told = ["clusterID", "leader", "incarnation"] as const;
    assert.deepEqual(
      told.map((field) => status?.[field]),
      told.map((field) => before.status?.[field]),
    );
    assert.equal(await box.ctl("get", "key/21", "--print-value-only"), "value 21");
    await api.delete(POD, ghost, { gracePeriodSeconds: 0 });
  });
});
