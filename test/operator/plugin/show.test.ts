import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { QuorateCluster } from "../../../operator/api/gen/types.ts";
import { KubeError } from "../../../operator/kube/api.ts";
import { Stage } from "./stage.ts";

describe("kubectl quorate status", () => {
  let stage: Stage;
  beforeEach(() => (stage = new Stage()));

  it("lists the clusters of the namespace, a line each", async () => {
    await stage.addCluster("kv");
    await stage.addCluster("other", { paused: true });
    const lines = (await stage.run("status")).trimEnd().split("\n");
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? "", /^NAME +READY +STATUS +VERSION +LEADER +OPERATION +AGE$/);
    assert.match(lines[1] ?? "", /^kv +2\/3 +MemberNotReady +0\.1\.0 +kv-1 +Roll kv-2 +0s$/);
    assert.match(lines[2] ?? "", /^other +2\/3 +Paused /);
  });

  it("says that there are none", async () => {
    assert.equal(await stage.run("status"), "");
    assert.deepEqual(stage.noted, ["no clusters in data"]);
  });

  it("says of one what is going on, and why", async () => {
    await stage.addCluster();
    const text = await stage.run("status", "kv");
    for (const part of [
      /^Cluster +data\/kv, id cdf818194e3a8c32$/m,
      /^Members +2 of 3 ready, leader kv-1$/m,
      /^Endpoint +https:\/\/kv-client\.data\.svc:2379$/m,
      /^Version +0\.1\.0, on the way to 0\.2\.0$/m,
      /^Database +64Mi$/m,
      /^Alarms +NOSPACE$/m,
      /^Operation +Roll kv-2 at AwaitParticipating for 61s: kv-2 is behind$/m,
      /^Backup +nightly 3h ago, revision 17$/m,
      /^Ready +False +MemberNotReady +kv-2 is not ready$/m,
      /^kv-1 +8e9e05c521646941 +Leader +Running +yes/m,
    ])
      assert.match(text, part);
  });

  it("gives the object itself for programs", async () => {
    await stage.addCluster();
    const cluster = JSON.parse(await stage.run("status", "kv", "-o", "json")) as QuorateCluster;
    assert.equal(cluster.status?.leader, "kv-1");
  });

  it("says where nothing is installed that the operator is missing", async () => {
    stage.fake.faults.plan({
      on: { manager: "kubectl-quorate", resource: "quorateclusters" },
      times: 2,
      error: new KubeError("notFound", "404 page not found", { status: 404 }),
    });
    for (const words of [["status"], ["status", "kv"]])
      await assert.rejects(stage.run(...words), /install the operator first/);
  });

  it("names what is not there", async () => {
    await assert.rejects(stage.run("status", "kw"), /no QuorateCluster kw in the namespace data/);
  });
});

describe("kubectl quorate members", () => {
  it("says of each what it is, where, and why it is not ready", async () => {
    const stage = new Stage();
    await stage.addCluster();
    const lines = (await stage.run("members", "kv")).trimEnd().split("\n");
    assert.equal(lines.length, 4);
    assert.match(
      lines[3] ?? "",
      /^kv-2 .* Voter .* no +1\.5 MiB +3\/42 +node-2 +a +its pod is not scheduled$/,
    );
  });
});
