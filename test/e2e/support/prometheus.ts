/** A Prometheus in a pod beside the cluster under test, configured as the Prometheus operator would from its kinds. */
import assert from "node:assert/strict";
import { POD } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { api, askPod } from "./api.ts";
import { DATA, FILES, SECRETS, startPrograms } from "./program.ts";

const PORT = 9090;

export interface PodMonitor extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly podTargetLabels?: readonly string[];
    readonly podMetricsEndpoints: readonly { readonly port: string; readonly path?: string }[];
  };
}

export interface PrometheusRule extends KubeObject {
  readonly spec: {
    readonly groups: readonly {
      readonly name: string;
      readonly rules: readonly { readonly alert: string }[];
    }[];
  };
}

interface ScrapedPod extends KubeObject {
  readonly spec: {
    readonly subdomain?: string;
    readonly containers: readonly {
      readonly name: string;
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
  readonly status?: { readonly podIP?: string };
}

export interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly scrapePool: string;
}

export interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly state: string;
  readonly lastError?: string;
}

/** The job that scrapes the client port over mutual TLS. */
export const SECURE_JOB = "secure";

export class Prometheus {
  readonly #ref: ObjectRef;

  /** Scrapes and evaluates every second. */
  static async start(
    cluster: ObjectRef,
    monitors: readonly PodMonitor[],
    rules: readonly PrometheusRule[],
  ): Promise<Prometheus> {
    const ref = { ...cluster, name: "prometheus" };
    const files = rules.map(({ spec }, at): [string, string] => [
      `rules-${at}.json`,
      JSON.stringify(spec),
    ]);
    const jobs = await Promise.all(monitors.map(scrapes));
    const config = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: files.map(([name]) => `${FILES}/${name}`),
      scrape_configs: [...jobs.flat(), secureScrape(cluster)],
    };
    const command = [
      "prometheus",
      `--config.file=${FILES}/prometheus.json`,
      `--storage.tsdb.path=${DATA}`,
      `--web.listen-address=0.0.0.0:${PORT}`,
    ];
    await startPrograms(ref, {
      programs: [{ name: "prometheus", command, probe: { port: PORT, path: "/-/ready" } }],
      files: Object.fromEntries([["prometheus.json", JSON.stringify(config)], ...files]),
      secrets: [`${cluster.name}-client-tls`],
    });
    return new Prometheus(ref);
  }

  private constructor(ref: ObjectRef) {
    this.#ref = ref;
  }

  async #get(path: string): Promise<unknown> {
    const answer = (await askPod(this.#ref, PORT, path)) as { status: string; data: unknown };
    assert.equal(answer.status, "success", `${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  /** Values of an expression now, by their labels. */
  async query(
    expression: string,
  ): Promise<
    readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]
  > {
    type Sample = { metric: Record<string, string>; value: [number, string] };
    const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { result } = (await this.#get(path)) as { result: readonly Sample[] };
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  async targets(): Promise<readonly Target[]> {
    const data = await this.#get("/api/v1/targets?state=active");
    return (data as { activeTargets: readonly Target[] }).activeTargets;
  }

  async rules(): Promise<readonly EvaluatedRule[]> {
    const data = await this.#get("/api/v1/rules");
    const { groups } = data as { groups: readonly { rules: readonly EvaluatedRule[] }[] };
    return groups.flatMap(({ rules }) => rules);
  }
}

/** A label as Prometheus names it. */
function sanitised(label: string): string {
  return label.replaceAll(/[^a-zA-Z0-9_]/g, "_");
}

/** Members by the names that they keep, others by address. */
function hostOf({ metadata, spec, status }: ScrapedPod): string {
  const { name, namespace = "" } = metadata;
  return spec.subdomain === undefined
    ? (status?.podIP ?? "")
    : `${name}.${spec.subdomain}.${namespace}.svc.cluster.local`;
}

/** A target for each pod that the monitor selects, with the labels that the Prometheus operator gives it. */
async function scrapes({ metadata, spec }: PodMonitor): Promise<object[]> {
  const { namespace = "", name } = metadata;
  const labelSelector = Object.entries(spec.selector.matchLabels)
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
  const pods = (await api.list<ScrapedPod>(POD, { namespace, labelSelector })).items;
  return spec.podMetricsEndpoints.map(({ port, path = "/metrics" }, at) => ({
    job_name: `${namespace}/${name}/${at}`,
    metrics_path: path,
    static_configs: pods.flatMap((pod) =>
      pod.spec.containers.flatMap((container) => {
        const number = container.ports?.find((each) => each.name === port)?.containerPort;
        if (number === undefined) return [];
        const copied = (spec.podTargetLabels ?? []).map((label) => [
          sanitised(label),
          pod.metadata.labels?.[label] ?? "",
        ]);
        const own = { namespace, pod: pod.metadata.name, container: container.name };
        const labels = { ...own, ...(Object.fromEntries(copied) as Record<string, string>) };
        return [{ targets: [`${hostOf(pod)}:${number}`], labels }];
      }),
    ),
  }));
}

/** As a person would who wants nothing in the clear: with the client's certificate, to the port for clients. */
function secureScrape({ name, namespace }: ObjectRef): object {
  const folder = `${SECRETS}/${name}-client-tls`;
  const host = (ordinal: number): string =>
    `${name}-${ordinal}.${name}-peers.${namespace ?? ""}.svc.cluster.local:2379`;
  return {
    job_name: SECURE_JOB,
    scheme: "https",
    static_configs: [{ targets: [0, 1, 2].map(host) }],
    tls_config: {
      ca_file: `${folder}/ca.crt`,
      cert_file: `${folder}/tls.crt`,
      key_file: `${folder}/tls.key`,
    },
  };
}
