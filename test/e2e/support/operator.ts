/** The operator under test: the chart, installed once for a run of the tests. */
import { join } from "node:path";
import { ROOT } from "../../house/scan.ts";
import { type Finished, run, tool } from "../../conformance/support/tools.ts";
import { LEASE, NAMESPACE as NAMESPACES, POD } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { api, eventually } from "./api.ts";
import { IMAGE, type ImageName } from "./image.ts";

export const OPERATOR_NAMESPACE = "quorate-system";
const RELEASE = "quorate-operator";

/** Installs or upgrades the release and waits for its Deployment. */
export async function installOperator(...values: string[]): Promise<void> {
  await installFrom(join(ROOT, "charts/quorate-operator"), IMAGE, ...values);
}

/** The same, from the chart in a folder. */
export async function installFrom(
  chart: string,
  { repository, tag }: ImageName,
  ...values: string[]
): Promise<void> {
  await createNamespace(OPERATOR_NAMESPACE);
  const set = [`image.repository=${repository}`, `image.tag=${tag}`, ...values];
  const flags = ["--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout=120s"];
  const { code, stderr } = await helm(
    "upgrade",
    "--install",
    RELEASE,
    chart,
    ...flags,
    ...set.map((value) => `--set=${value}`),
  );
  if (code !== 0) throw new Error(`helm: ${stderr}\n${await operatorLogs()}`);
}

export async function helm(...args: string[]): Promise<Finished> {
  return await run([tool("helm"), ...args], { timeoutMs: 300_000 });
}

/** One that asks for Pod Security `restricted`, if it is not there. One of an earlier run that is going is waited for. */
export async function createNamespace(name: string): Promise<void> {
  const isSettled = (found: KubeObject | null): boolean =>
    found?.metadata.deletionTimestamp === undefined;
  const ref = { namespace: null, name };
  await eventually(`the namespace ${name} is gone`, NAMESPACES, ref, isSettled, 120_000);
  await api.apply(NAMESPACES, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  } as KubeObject);
}

/** Pods of the operator, whichever leads. */
export async function operatorPods(): Promise<readonly KubeObject[]> {
  const labelSelector = `app.kubernetes.io/instance=${RELEASE}`;
  return (await api.list(POD, { namespace: OPERATOR_NAMESPACE, labelSelector })).items;
}

/** Until an operator that runs from this image is at work. */
export async function operatorWorks({ name: image }: ImageName): Promise<void> {
  type Pod = KubeObject & { spec?: { containers: readonly { image: string }[] } };
  type Lease = KubeObject & { spec?: { holderIdentity?: string } };
  const pods = (await operatorPods()).filter((pod: Pod) =>
    pod.spec?.containers.some((container) => container.image === image),
  );
  const names = pods.map(({ metadata }) => metadata.name);
  await eventually<Lease>(
    `an operator of ${image} has the lease`,
    LEASE,
    { namespace: OPERATOR_NAMESPACE, name: RELEASE },
    (lease) => names.includes((lease?.spec?.holderIdentity ?? "").replace(/_.*$/, "")),
    60_000,
  );
}

/** The last lines of each, for the report of a failure. */
export async function operatorLogs(): Promise<string> {
  const texts = await Promise.all(
    (await operatorPods()).map(async ({ metadata: { name } }) => {
      const ref = { namespace: OPERATOR_NAMESPACE, name };
      let text = `== ${name}\n`;
      for await (const chunk of api.logs(ref, { tailLines: 60 }, AbortSignal.timeout(10_000)))
        text += Buffer.from(chunk).toString();
      return text;
    }),
  );
  return texts.join("\n");
}
