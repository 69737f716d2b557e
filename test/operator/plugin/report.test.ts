import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { beforeEach, describe, it } from "node:test";
import { CONFIG_MAP, POD, SECRET } from "../../../operator/api/resources.ts";
import { KubeError, type KubeObject } from "../../../operator/kube/api.ts";
import { NAMESPACE, Stage } from "./stage.ts";

const KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----";
const labels = { "quorate.io/cluster": "kv" };

async function addPods(stage: Stage): Promise<void> {
  for (const name of ["kv-10", "kv-2"]) {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE, labels },
      spec: { containers: [{ name: "quorate", env: [{ name: "PASS", value: "swordfish" }] }] },
    };
    await stage.admin.create(POD, pod as KubeObject);
    stage.fake.setLog({ namespace: NAMESPACE, name }, `${name} one\n${name} password=swordfish\n`);
  }
}

describe("kubectl quorate logs", () => {
  it("prints each member's lines behind its name, in the order of their ordinals", async () => {
    const stage = new Stage();
    await stage.addCluster();
    await addPods(stage);
    const lines = (await stage.run("logs", "kv")).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => line.split(" ")[0]),
      ["kv-2", "kv-2", "kv-10", "kv-10"],
    );
    assert.equal((await stage.run("logs", "kv", "kv-2")).split("\n")[0], "kv-2 one");
  });
});

describe("kubectl quorate report", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = new Stage();
    await stage.addCluster();
    await addPods(stage);
    await stage.admin.create(CONFIG_MAP, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "kv-boot", namespace: NAMESPACE, labels },
      data: { "kv-2.json": `{"token": "swordfish"}\n${KEY}` },
    } as KubeObject);
    await stage.admin.create(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "kv-ca", namespace: NAMESPACE, labels },
      data: { "tls.key": "c3dvcmRmaXNo" },
    } as KubeObject);
  });

  const tarOf = (args: readonly string[]): string =>
    execFileSync("tar", [...args], {
      input: stage.files.get("quorate-report-kv.tar.gz"),
      encoding: "utf8",
    });

  it("is an archive with objects and logs, that tar reads", async () => {
    assert.equal(await stage.run("report", "kv"), "quorate-report-kv.tar.gz\n");
    const names = tarOf(["-tzf", "-"]).trimEnd().split("\n");
    for (const name of [
      "cluster.yaml",
      "pods.yaml",
      "configmaps.yaml",
      "logs/kv-2.log",
      "about.txt",
    ])
      assert.ok(names.includes(name), `${name} in ${names.join(", ")}`);
    assert.match(tarOf(["-xzOf", "-", "cluster.yaml"]), /leader: kv-1/);
    assert.match(tarOf(["-xzOf", "-", "logs/kv-2.log"]), /^kv-2 one$/m);
  });

  it("holds no Secret, no variable's value, no key and no password", async () => {
    await stage.run("report", "kv");
    const all = tarOf(["-xzOf", "-"]);
    assert.match(all, /name: PASS/);
    assert.doesNotMatch(all, /swordfish|c3dvcmRmaXNo|MHcCAQ/);
    const asked = stage.fake.faults.calls.filter(({ manager }) => manager === "kubectl-quorate");
    assert.ok(asked.length > 10);
    assert.equal(
      asked.some(({ resource }) => /secret/i.test(resource)),
      false,
    );
  });

  it("is made of what may be read, and says what may not", async () => {
    stage.fake.faults.plan({
      on: { manager: "kubectl-quorate", verb: "list", resource: "nodes" },
      error: new KubeError("forbidden", "nodes is forbidden"),
    });
    await stage.run("report", "kv");
    const about = tarOf(["-xzOf", "-", "about.txt"]);
    assert.match(about, /^nodes: nodes is forbidden$/m);
  });
});
