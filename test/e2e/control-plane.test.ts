/** A kube-apiserver keeps its state in a QuorateCluster, which is rolled while Deployments come and go. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PatientClient, lifecycle } from "../conformance/support/deployments.ts";
import type { ClusterUnderTest } from "./support/cluster.ts";
import { HostedControlPlane } from "./support/control-plane.ts";
import { NO_PROGRAMS } from "./support/program.ts";
import { Toolbox } from "./support/toolbox.ts";
import type { Witness } from "./support/witness.ts";
import { startWitnessed } from "./support/witnessed.ts";

const DEPLOYMENTS = 24;
const ROLLED_MS_MAX = 120_000;
const ERRORS_MAX_MS = 10_000;

interface Hash {
  readonly Endpoint: string;
  readonly HashKV: { readonly hash: number; readonly hash_revision: number | string };
}

describe("a control plane over a cluster of three", { skip: NO_PROGRAMS }, () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;
  let plane: HostedControlPlane;

  before(async () => {
    ({ cluster, witness } = await startWitnessed("e2e-control-plane", { replicas: 3 }));
    plane = await HostedControlPlane.start(cluster.ref);
  });
  after(async () => await cluster.remove());

  it("serves while the members are made anew one by one, and each of its Deployments has its pods", async () => {
    const client = new PatientClient(plane);
    await client.do([200], "GET", "/api/v1/namespaces/default");
    const signal = { harming: true };
    const roll = async (): Promise<void> => {
      await cluster.patch({
        podTemplate: { metadata: { annotations: { "example.test/roll": "1" } } },
      });
      const { status } = await cluster.ready(ROLLED_MS_MAX);
      assert.equal(status?.updatedReplicas, 3);
    };
    const work = lifecycle(client, DEPLOYMENTS, signal);
    await Promise.all([roll().finally(() => (signal.harming = false)), work]);
    console.log(
      `    ${client.operations} requests, ${client.errors} errors, ` +
        `longest run of errors ${client.longestOutageMs.toFixed(0)} ms`,
    );
    assert.ok(client.longestOutageMs <= ERRORS_MAX_MS, `${client.longestOutageMs} ms of errors`);
    await witness.assertServed("roll under a kube-apiserver");
    await witness.assertTrue();
  });

  it("leaves the same on all three members", async () => {
    await plane.stop();
    await witness.stop();
    const box = await Toolbox.start(cluster.ref);
    const { header } = JSON.parse(await box.ctl("get", "registry", "-w", "json")) as {
      header: { revision: number };
    };
    const rev = `--rev=${header.revision}`;
    const told = await box.ctl("endpoint", "hashkv", "--cluster", rev, "-w", "json");
    const hashes = JSON.parse(told) as readonly Hash[];
    assert.equal(hashes.length, 3);
    assert.equal(new Set(hashes.map(({ HashKV }) => HashKV.hash)).size, 1, told);
  });
});
