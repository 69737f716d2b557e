/** The witness of a cluster: a pod that writes and watches all the time, see witness-program.ts. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CONFIG_MAP, POD } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { until } from "../../conformance/support/tools.ts";
import { api, askPod, eventually } from "./api.ts";
import { IMAGE } from "./image.ts";

const PORT = 8000;
/** The longest time without a successful write that a step may cost. */
export const GAP_MS_MAX = 5000;

export interface Testimony {
  readonly acknowledged: number;
  readonly failed: number;
  /** Times that it took over other certificates. */
  readonly reloads: number;
  readonly gaps: readonly { readonly from: string; readonly ms: number }[];
  readonly errors: readonly string[];
  readonly violations: readonly string[];
  readonly violationCount: number;
}

export interface WitnessOptions {
  /** The node to run on, where the test does something to the others. */
  readonly node?: string;
  /** Ordinals that the cluster has at some time; their names are the endpoints. */
  readonly members: number;
  /** Without TLS, and known by another name: one with TLS may be there beside it. */
  readonly plaintext?: boolean;
}

interface PodObject extends KubeObject {
  readonly spec: object;
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

export class Witness {
  readonly #ref: ObjectRef;

  /** Starts one beside the cluster and waits until it has begun. */
  static async start(cluster: ObjectRef, options: WitnessOptions): Promise<Witness> {
    const suffix = options.plaintext === true ? "witness-plain" : "witness";
    const witness = new Witness({ ...cluster, name: `${cluster.name}-${suffix}` });
    await witness.#create(cluster, options);
    await eventually<PodObject>(
      "the witness runs",
      POD,
      witness.#ref,
      (pod) =>
        pod?.status?.conditions?.some(
          ({ type, status }) => type === "Ready" && status === "True",
        ) ?? false,
      60_000,
    );
    return witness;
  }

  private constructor(ref: ObjectRef) {
    this.#ref = ref;
  }

  async #create(cluster: ObjectRef, options: WitnessOptions): Promise<void> {
    const { name, namespace } = this.#ref;
    const metadata = { name, namespace: namespace ?? "" };
    const program = readFileSync(new URL("witness-program.ts", import.meta.url), "utf8");
    await api.apply(CONFIG_MAP, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: { "witness.mts": program },
    } as KubeObject);
    await api.create<PodObject>(POD, {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: podSpec(cluster, options, name),
    });
  }

  /** What it has seen since the last mark. */
  async report(): Promise<Testimony> {
    return (await askPod(this.#ref, PORT, "/report")) as Testimony;
  }

  /** Until it has had so many more writes acknowledged. */
  async writes(more: number): Promise<void> {
    const { acknowledged } = await this.report();
    await until(`${more} more writes`, 60_000, async () => {
      return (await this.report()).acknowledged >= acknowledged + more;
    });
  }

  /** Asserts that what happened since the last mark cost at most `ms` without a successful write, and marks. */
  async assertServed(step: string, ms: number = GAP_MS_MAX): Promise<void> {
    const { gaps, errors } = (await askPod(this.#ref, PORT, "/mark")) as Testimony;
    const worst = gaps[0]?.ms ?? 0;
    console.log(`    ${step}: longest time without a write ${worst} ms`);
    assert.ok(
      worst <= ms,
      `${step}: ${worst} ms without a write: ${JSON.stringify({ gaps, errors })}`,
    );
  }

  /** Asserts that every acknowledged write is there, once, and was told, once. */
  async assertTrue(): Promise<void> {
    const { acknowledged, failed, violations, violationCount, errors } = (await askPod(
      this.#ref,
      PORT,
      "/verify",
    )) as Testimony;
    console.log(`    ${acknowledged} writes acknowledged, ${failed} attempts failed`);
    assert.ok(acknowledged > 0, errors.join("\n"));
    assert.deepEqual({ violations, violationCount }, { violations: [], violationCount: 0 });
  }

  /** Ends it, so that another one can be started. */
  async stop(): Promise<void> {
    await api.delete(POD, this.#ref, { gracePeriodSeconds: 0 });
    await eventually("the witness is gone", POD, this.#ref, (pod) => pod === null, 60_000);
  }
}

function podSpec(cluster: ObjectRef, options: WitnessOptions, program: string): object {
  const { plaintext = false } = options;
  const endpoints = Array.from(
    { length: options.members },
    (_, i) =>
      `${plaintext ? "http" : "https"}://${cluster.name}-${i}.${cluster.name}-peers.${cluster.namespace}.svc.cluster.local:2379`,
  );
  const settings = {
    endpoints,
    tls: plaintext ? null : "/tls",
    prefix: `witness/${Date.now()}/`,
    writers: 2,
    pauseMs: 20,
    port: PORT,
  };
  return {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    ...(options.node === undefined
      ? {}
      : { nodeSelector: { "kubernetes.io/hostname": options.node } }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "witness",
        image: IMAGE.name,
        imagePullPolicy: "IfNotPresent",
        command: ["node", "--disable-warning=ExperimentalWarning", "/program/witness.mts"],
        env: [
          { name: "QUORATE_CLIENT", value: "/opt/quorate/dist/src/client/client.js" },
          { name: "WITNESS", value: JSON.stringify(settings) },
        ],
        readinessProbe: { httpGet: { path: "/report", port: PORT }, periodSeconds: 1 },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          { name: "program", mountPath: "/program", readOnly: true },
          ...(plaintext ? [] : [{ name: "tls", mountPath: "/tls", readOnly: true }]),
        ],
      },
    ],
    volumes: [
      { name: "program", configMap: { name: program } },
      ...(plaintext ? [] : [{ name: "tls", secret: { secretName: `${cluster.name}-client-tls` } }]),
    ],
  };
}
