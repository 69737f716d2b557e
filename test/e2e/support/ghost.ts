/** A member of the past: its data, kept aside while it was a member, and a process that is started on them later. */
import { POD, STATEFUL_SET } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { run, tool } from "../../conformance/support/tools.ts";
import { api } from "./api.ts";
import type { ClusterUnderTest } from "./cluster.ts";
import { CLAIM_DIR, Toolbox, createClaim } from "./toolbox.ts";

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly object[];
  readonly volumeMounts: readonly { readonly name: string }[];
}
interface Template extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly Container[]; readonly volumes: object[] };
    };
  };
}

export class KeptData {
  readonly #cluster: ClusterUnderTest;
  readonly #ordinal: number;
  readonly #claim: ObjectRef;

  /** Copies the volume of a member that runs, and that nobody writes to, onto a claim of its own: once for each name. */
  static async take(
    cluster: ClusterUnderTest,
    ordinal: number,
    names: readonly string[],
  ): Promise<KeptData> {
    const kept = new KeptData(cluster, ordinal);
    await createClaim(kept.#claim);
    const { namespace } = cluster;
    const keeper = await Toolbox.start(cluster.ref, { name: "keeper", claim: kept.#claim.name });
    for (const name of names) {
      await keeper.run("mkdir", `${CLAIM_DIR}/${name}`);
      const kubectl = `${tool("kubectl")} exec --namespace ${namespace}`;
      // The log is mostly zeros, which need not travel.
      const pack = `tar -C /var/lib/quorate --hole-detection=raw -Scf - data`;
      const source = `${kubectl} ${cluster.pod(ordinal).name} -- ${pack}`;
      const target = `${kubectl} -i keeper -- tar -C ${CLAIM_DIR}/${name} -xf -`;
      const command = ["bash", "-o", "pipefail", "-c", `${source} | ${target}`];
      const { code, stderr } = await run(command, { timeoutMs: 60_000 });
      if (code !== 0) throw new Error(`copying the volume: ${stderr}`);
    }
    await keeper.stop();
    return kept;
  }

  private constructor(cluster: ClusterUnderTest, ordinal: number) {
    this.#cluster = cluster;
    this.#ordinal = ordinal;
    this.#claim = { namespace: cluster.namespace, name: "kept" };
  }

  /**
   * Starts the member on the copy `name`, in a pod that nobody owns, as the StatefulSet would: with the boot files that there are
   * now, or, `unguarded`, without any.
   */
  async start(name: string, guard: "guarded" | "unguarded"): Promise<ObjectRef> {
    const set = await api.get<Template>(STATEFUL_SET, this.#cluster.ref);
    const spec = set?.spec.template.spec;
    const [container] = spec?.containers ?? [];
    if (spec === undefined || container === undefined) throw new Error("there is no StatefulSet");
    const ref = { namespace: this.#cluster.namespace, name: `ghost-${name}` };
    const claimName = this.#claim.name;
    await api.create<KubeObject & { spec: object }>(POD, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: ref.name, namespace: ref.namespace },
      spec: {
        ...spec,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            ...container,
            args: container.args.filter(
              (arg) => guard === "guarded" || !arg.startsWith("--boot-dir="),
            ),
            env: [{ name: "POD_NAME", value: this.#cluster.pod(this.#ordinal).name }],
            volumeMounts: container.volumeMounts.map((mount) =>
              mount.name === "data" ? { ...mount, subPath: name } : mount,
            ),
          },
        ],
        volumes: [...spec.volumes, { name: "data", persistentVolumeClaim: { claimName } }],
      },
    });
    return ref;
  }
}

/** What a pod has printed; empty where it has not begun. */
export async function logOf(ref: ObjectRef): Promise<string> {
  let text = "";
  try {
    for await (const chunk of api.logs(ref, {}, AbortSignal.timeout(10_000)))
      text += Buffer.from(chunk).toString();
  } catch {
    // Its container is being made.
  }
  return text;
}
