/** The operator with rights in one namespace alone, and its replacement by another one, which restarts nobody. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { POD } from "../../operator/api/resources.ts";
import { api, askPod } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import {
  OPERATOR_NAMESPACE,
  createNamespace,
  installOperator,
  operatorPods,
} from "./support/operator.ts";

const SEEN = "e2e-seen";
const UNSEEN = "e2e-unseen";

describe("an operator that may work in one namespace", () => {
  let seen: ClusterUnderTest;
  let unseen: ClusterUnderTest;

  before(async () => {
    for (const name of [SEEN, UNSEEN]) await createNamespace(name);
    await installOperator(`watchNamespaces[0]=${SEEN}`, "rbac.clusterReads=false");
  });
  after(async () => {
    await seen.remove();
    await unseen.remove();
    await installOperator();
  });

  it("runs a cluster there, without a right elsewhere", async () => {
    unseen = await ClusterUnderTest.create(UNSEEN, { replicas: 1 });
    seen = await ClusterUnderTest.create(SEEN, { replicas: 1 });
    await seen.ready(60_000);
    assert.equal((await unseen.get()).status, undefined);
  });

  it("hands over to an operator with other rights, and no member restarts", async () => {
    const before = await api.get(POD, seen.pod(0));
    await installOperator("podAnnotations.again=yes");
    await unseen.ready(60_000);
    await seen.ready(60_000);
    const now = await api.get(POD, seen.pod(0));
    assert.equal(now?.metadata.uid, before?.metadata.uid);
  });

  it("tells Prometheus of itself and of its members", async () => {
    const members = await askPod(seen.pod(0), 2381, "/metrics");
    assert.match(String(members), /^etcd_server_has_leader 1$/m);
    const texts = await Promise.all(
      (await operatorPods()).map(async ({ metadata: { name } }) =>
        String(await askPod({ namespace: OPERATOR_NAMESPACE, name }, 8080, "/metrics")),
      ),
    );
    const leaders = texts.filter((text) => /^quorate_operator_leader 1$/m.test(text));
    assert.equal(leaders.length, 1, "one of them is at work");
  });
});
