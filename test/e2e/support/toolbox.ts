/** A pod with `quorate ctl` in it and the client's certificate of one cluster. */
import { POD } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { run, tool } from "../../conformance/support/tools.ts";
import { api, eventually } from "./api.ts";
import { type PodObject, isReady } from "./cluster.ts";
import { IMAGE } from "./image.ts";

export class Toolbox {
  readonly #ref: ObjectRef;
  readonly #endpoint: string;

  static async start(cluster: ObjectRef): Promise<Toolbox> {
    const box = new Toolbox(cluster);
    await api.create<KubeObject & { spec: object }>(POD, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: box.#ref.name, namespace: box.#ref.namespace ?? "" },
      spec: podSpec(cluster.name),
    });
    await eventually<PodObject>(
      "the toolbox runs",
      POD,
      box.#ref,
      (pod) => pod !== null && isReady(pod),
      60_000,
    );
    return box;
  }

  private constructor(cluster: ObjectRef) {
    this.#ref = { ...cluster, name: `${cluster.name}-toolbox` };
    this.#endpoint = `https://${cluster.name}-client.${cluster.namespace ?? ""}.svc:2379`;
  }

  /** `quorate ctl ARGS`: what it printed. Throws what it complained of. */
  async ctl(...args: string[]): Promise<string> {
    const tls = ["--cacert=/tls/ca.crt", "--cert=/tls/tls.crt", "--key=/tls/tls.key"];
    const ctl = ["quorate", "ctl", `--endpoints=${this.#endpoint}`, ...tls, ...args];
    const { name, namespace } = this.#ref;
    const exec = [tool("kubectl"), "exec", "--namespace", namespace ?? "", name, "--", ...ctl];
    const { code, stdout, stderr } = await run(exec, { timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }
}

function podSpec(cluster: string): object {
  return {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "toolbox",
        image: IMAGE.name,
        imagePullPolicy: "IfNotPresent",
        command: ["sleep", "infinity"],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [{ name: "tls", mountPath: "/tls", readOnly: true }],
      },
    ],
    volumes: [{ name: "tls", secret: { secretName: `${cluster}-client-tls` } }],
  };
}
