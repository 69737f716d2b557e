/** A real kube-apiserver keeps its state in three of our members, each of which is killed while Deployments come and go. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashes } from "./support/client.ts";
import type { Cluster } from "./support/cluster.ts";
import { type Answer, ControlPlane } from "./support/kubernetes.ts";
import { until } from "./support/tools.ts";
import { withQuorate } from "./support/twins.ts";

const DEPLOYMENTS = 50;
const ERRORS_MAX_MS = 10_000;
const APPS = "/apis/apps/v1/namespaces/default/deployments";
const PODS = "/api/v1/namespaces/default/pods";

function deployment(name: string, replicas: number): object {
  const labels = { app: name };
  const containers = [{ name: "main", image: "localhost/none:1" }];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}

/** A client that repeats what fails and remembers how long the longest run of errors took. */
class PatientClient {
  readonly #plane: ControlPlane;
  longestOutageMs = 0;
  errors = 0;
  operations = 0;

  constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  /** Repeats until a status that is one of `good`. */
  async do(
    good: readonly number[],
    method: string,
    path: string,
    body?: object,
    type?: string,
  ): Promise<Answer> {
    const began = performance.now();
    let failedBefore = false;
    for (;;) {
      const answer = await this.#plane.call(method, path, body, type).catch(() => null);
      if (answer !== null && good.includes(answer.status)) {
        this.operations++;
        if (failedBefore)
          this.longestOutageMs = Math.max(this.longestOutageMs, performance.now() - began);
        return answer;
      }
      const refused = answer !== null && answer.status >= 400 && answer.status < 500;
      if (refused && ![408, 409, 429].includes(answer.status)) {
        assert.fail(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      failedBefore = true;
      this.errors++;
      assert.ok(performance.now() - began < 60_000, `${method} ${path} fails for a minute`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Creates, scales and deletes, each Deployment on its own, and checks that the pods follow. */
async function lifecycle(client: PatientClient, signal: { killing: boolean }): Promise<void> {
  const names = Array.from({ length: DEPLOYMENTS }, (_, at) => `d${at}`);
  const merge = "application/merge-patch+json";
  const pods = async (count: number): Promise<void> => {
    await until(
      `${count} pods`,
      90_000,
      async () => {
        const { body } = await client.do([200], "GET", PODS);
        return (body as { items: unknown[] }).items.length === count;
      },
      250,
    );
  };
  do {
    // 409: an earlier try whose answer was lost had created it.
    for (const name of names) await client.do([201, 409], "POST", APPS, deployment(name, 1));
    await pods(DEPLOYMENTS);
    for (const name of names)
      await client.do([200], "PATCH", `${APPS}/${name}`, { spec: { replicas: 3 } }, merge);
    await pods(DEPLOYMENTS * 3);
    for (const name of names)
      await client.do([200, 404], "DELETE", `${APPS}/${name}?propagationPolicy=Background`);
    await pods(0);
  } while (signal.killing);
}

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
        const signal = { killing: true };
        const work = lifecycle(client, signal);
        await Promise.all([killEach(cluster).finally(() => (signal.killing = false)), work]);
        await lifecycle(client, { killing: false });
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
