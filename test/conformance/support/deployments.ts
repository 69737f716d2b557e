/** Deployments that come, are scaled and go, by a client that repeats what fails: what people do to a kube-apiserver. */
import assert from "node:assert/strict";
import type { Answer } from "./kubernetes.ts";
import { until } from "./tools.ts";

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

/** Of kube-apiserver: one request; rejects when there is no answer within some seconds. */
export interface Caller {
  call(method: string, path: string, body?: object, contentType?: string): Promise<Answer>;
}

/** A client that repeats what fails and remembers how long the longest run of errors took. */
export class PatientClient {
  readonly #plane: Caller;
  longestOutageMs = 0;
  errors = 0;
  operations = 0;

  constructor(plane: Caller) {
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

/**
 * Creates, scales and deletes `count` Deployments, each on its own, and checks that the pods follow; at least once, and again for
 * as long as `signal` says so.
 */
export async function lifecycle(
  client: PatientClient,
  count: number,
  signal: { harming: boolean },
): Promise<void> {
  const names = Array.from({ length: count }, (_, at) => `d${at}`);
  const merge = "application/merge-patch+json";
  const pods = async (wanted: number): Promise<void> => {
    await until(
      `${wanted} pods`,
      90_000,
      async () => {
        const { body } = await client.do([200], "GET", PODS);
        return (body as { items: unknown[] }).items.length === wanted;
      },
      250,
    );
  };
  do {
    // 409: an earlier try whose answer was lost had created it.
    for (const name of names) await client.do([201, 409], "POST", APPS, deployment(name, 1));
    await pods(count);
    for (const name of names)
      await client.do([200], "PATCH", `${APPS}/${name}`, { spec: { replicas: 3 } }, merge);
    await pods(count * 3);
    for (const name of names)
      await client.do([200, 404], "DELETE", `${APPS}/${name}?propagationPolicy=Background`);
    await pods(0);
  } while (signal.harming);
}
