/** A real kube-apiserver keeps its state in three of our members, each of which is killed while Deployments come and go. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashes } from "./support/client.ts";
import type { Cluster } from "./support/cluster.ts";
import { PatientClient, lifecycle } from "./support/deployments.ts";
import { ControlPlane } from "./support/kubernetes.ts";
import { withQuorate } from "./support/twins.ts";

const DEPLOYMENTS = 50;
const ERRORS_MAX_MS = 10_000;

/** Kills each member in turn and waits until it is back. */
async function killEach(cluster: Cluster): Promise<void> {
  for (const member of cluster.members) {
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await member.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 2000));
    cluster.restart(member);
    await member.awaitHealthy();
  }
}

describe("kube-apiserver", () => {
  it("fifty Deployments live and die while each member is killed once", async (context) => {
    await withQuorate({ members: 3 }, async (cluster) => {
      const urls = cluster.members.map(({ clientUrl }) => clientUrl);
      const plane = await ControlPlane.start(urls);
      let keep = true;
      try {
        const client = new PatientClient(plane);
        await client.do([200], "GET", "/api/v1/namespaces/default");
        const signal = { harming: true };
        const work = lifecycle(client, DEPLOYMENTS, signal);
        await Promise.all([killEach(cluster).finally(() => (signal.harming = false)), work]);
        await lifecycle(client, DEPLOYMENTS, { harming: false });
        context.diagnostic(
          `${client.operations} operations, ${client.errors} errors, ` +
            `longest run of errors ${client.longestOutageMs.toFixed(0)} ms`,
        );
        assert.ok(
          client.longestOutageMs <= ERRORS_MAX_MS,
          `errors lasted ${client.longestOutageMs} ms`,
        );
        keep = false;
      } finally {
        await plane.stop({ keep });
      }
      const endpoints = cluster.members.map(({ endpoint }) => endpoint);
      assert.equal(new Set(await hashes(endpoints)).size, 1, "all members hold the same");
    });
  });
});
