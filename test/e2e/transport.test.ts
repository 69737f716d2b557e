/** TLS comes to a cluster under load, is turned around in the middle, and goes again; clients move in between. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SECRET } from "../../operator/api/resources.ts";
import type { QuorateCluster } from "../../operator/api/gen/types.ts";
import { api } from "./support/api.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { installOperator } from "./support/operator.ts";
import { Toolbox } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

/** Two rolls of three members, three changes of URLs, and a kubelet that mounts Secrets in its own time. */
const TURNED_MS_MAX = 300_000;
const TLS = { unsafe: { plaintext: false, acceptPlaintext: false } };
const OPEN = { unsafe: { plaintext: false, acceptPlaintext: true } };
const PLAIN = { unsafe: { plaintext: true, acceptPlaintext: false } };

describe("a cluster of three that gets TLS, and loses it again, under load", () => {
  let cluster: ClusterUnderTest;
  let plain: Witness;
  let secure: Witness;

  before(async () => {
    await installOperator();
    cluster = await ClusterUnderTest.create("e2e-transport", { replicas: 3, ...PLAIN });
    await cluster.ready(60_000);
    plain = await Witness.start(cluster.ref, { members: 3, plaintext: true });
  });
  after(async () => await cluster.remove());

  /** As the operator tells it in TLSReady. */
  const untilTold = async (what: RegExp): Promise<QuorateCluster> => {
    const told = ({ status }: QuorateCluster): boolean =>
      status?.conditions?.some(
        ({ type, reason, message }) => type === "TLSReady" && what.test(`${reason} ${message}`),
      ) ?? false;
    return await cluster.until(`TLSReady is told as ${String(what)}`, told, TURNED_MS_MAX);
  };

  const endpoint = async (): Promise<string> =>
    (await cluster.get()).status?.endpoint ?? "none is told";

  it("serves clients without TLS all the way, and then beside those with it", async () => {
    assert.equal(await endpoint(), "http://kv-client.e2e-transport.svc:2379");
    await cluster.patch(OPEN);
    await untilTold(/^PlaintextAccepted/);
    await cluster.ready(TURNED_MS_MAX);
    assert.equal(await endpoint(), "https://kv-client.e2e-transport.svc:2379");
    await cluster.told("TurningTLSOn", /clients move to https:\/\/kv-client/, 10_000);
    await plain.assertServed("plaintext to TLS with plaintext accepted, without TLS");
    await plain.assertTrue();
  });

  it("serves clients that have moved while those without TLS come to be refused", async () => {
    secure = await Witness.start(cluster.ref, { members: 3 });
    await plain.writes(50);
    await plain.assertTrue();
    await plain.stop();
    await cluster.patch(TLS);
    await untilTold(/^Issued/);
    await cluster.ready(TURNED_MS_MAX);
    await secure.assertServed("TLS alone, with TLS");
    await secure.assertTrue();
    const box = await Toolbox.start(cluster.ref);
    const at = `--endpoints=${(await endpoint()).replace("https", "http")}`;
    await assert.rejects(box.run("quorate", "ctl", at, "--command-timeout=3s", "get", "x"));
    await box.ctl("put", "greeting", "with TLS");
    await box.stop();
  });

  it("turns around in the middle, and serves all along", async () => {
    await cluster.patch(PLAIN);
    await untilTold(/^TurningTLSOff .*known to each other by other URLs/);
    await cluster.patch(TLS);
    await untilTold(/^Issued/);
    await cluster.ready(TURNED_MS_MAX);
    assert.equal(await endpoint(), "https://kv-client.e2e-transport.svc:2379");
    await secure.assertServed("half the way to plaintext and back, with TLS");
    await secure.assertTrue();
  });

  it("serves clients that have moved back while TLS goes, and its Secrets after it", async () => {
    await cluster.patch(OPEN);
    await untilTold(/^PlaintextAccepted/);
    await cluster.ready(TURNED_MS_MAX);
    plain = await Witness.start(cluster.ref, { members: 3, plaintext: true });
    await secure.assertServed("plaintext accepted, with TLS");
    await secure.assertTrue();
    await secure.stop();
    await cluster.patch(PLAIN);
    await untilTold(/^Plaintext /);
    await cluster.ready(TURNED_MS_MAX);
    assert.equal(await endpoint(), "http://kv-client.e2e-transport.svc:2379");
    await plain.assertServed("TLS to plaintext, without TLS");
    await plain.assertTrue();
    for (const name of [
      "kv-server-tls",
      "kv-peer-tls",
      "kv-client-tls",
      "kv-operator-tls",
      "kv-ca",
    ])
      assert.equal(await api.get(SECRET, { namespace: cluster.namespace, name }), null, name);
  });
});
