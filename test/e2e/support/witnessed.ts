/** What most tests begin with: the operator, a cluster that is ready, and a witness that writes to it from then on. */
import { ClusterUnderTest } from "./cluster.ts";
import { installOperator } from "./operator.ts";
import { Witness } from "./witness.ts";

const READY_MS_MAX = 60_000;

export interface Witnessed {
  readonly cluster: ClusterUnderTest;
  readonly witness: Witness;
}

/** `members`: as many as it will have at most; `replicas` unless given. Nothing of the cluster is left where it rejects. */
export async function startWitnessed(
  namespace: string,
  { replicas, members = replicas }: { readonly replicas: number; readonly members?: number },
): Promise<Witnessed> {
  await installOperator();
  const cluster = await ClusterUnderTest.create(namespace, { replicas });
  try {
    await cluster.ready(READY_MS_MAX);
    return { cluster, witness: await Witness.start(cluster.ref, { members }) };
  } catch (thrown) {
    await cluster.remove();
    throw thrown;
  }
}
