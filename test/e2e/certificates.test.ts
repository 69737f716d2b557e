/** Certificates of the operator's authority, and the authority itself, are replaced under load, and no member restarts. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { QUORATE_CLUSTER, SECRET } from "../../operator/api/resources.ts";
import { api } from "./support/api.ts";
import { livesOf, putSecret, textsOf, untilReplaced, untilShown } from "./support/certificates.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { installOperator } from "./support/operator.ts";
import { Toolbox } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

/** Kubelets look at volumes every minute, unless they are told to do it sooner. */
const FOLLOWED_MS_MAX = 180_000;
const OVERLAP = "10s";

describe("the certificates of a cluster under load", () => {
  let cluster: ClusterUnderTest;
  let witness: Witness;
  let box: Toolbox;
  let lives: readonly string[];

  before(async () => {
    await installOperator();
    const spec = { replicas: 3, tls: { authorityOverlap: OVERLAP } };
    cluster = await ClusterUnderTest.create("e2e-certificates", spec);
    await cluster.ready(60_000);
    // What a client has that copied it once and reads it never again.
    await putSecret(cluster, "old", await textsOf(cluster, "kv-client-tls"));
    witness = await Witness.start(cluster.ref, { members: 3 });
    box = await Toolbox.start(cluster.ref, { secrets: ["old"] });
  });
  beforeEach(async () => {
    lives = await livesOf(cluster);
  });
  after(async () => await cluster.remove());

  /** As the operator tells it in TLSReady. */
  const untilTold = async (what: RegExp): Promise<void> => {
    const told = ({ status }: Awaited<ReturnType<ClusterUnderTest["get"]>>): boolean =>
      status?.conditions?.some(
        ({ type, reason, message }) => type === "TLSReady" && what.test(`${reason} ${message}`),
      ) ?? false;
    await cluster.until(`TLSReady is told as ${String(what)}`, told, FOLLOWED_MS_MAX);
  };

  it("are made anew where a person deletes them", async () => {
    const before = await Promise.all(
      (["server", "peer"] as const).map(async (side) => {
        const name = `kv-${side}-tls`;
        const { "tls.crt": old = "" } = await textsOf(cluster, name);
        await api.delete(SECRET, { namespace: cluster.namespace, name });
        return { side, name, old };
      }),
    );
    for (const { side, name, old } of before) {
      const made = await untilReplaced(cluster, name, old, FOLLOWED_MS_MAX);
      await untilShown(cluster, box, side, made, FOLLOWED_MS_MAX);
    }
    assert.deepEqual(await livesOf(cluster), lives, "nothing restarted");
    await witness.assertServed("server and peer certificates replaced");
    await witness.assertTrue();
  });

  it("come from another authority where a person asks for one, and clients have the overlap to follow", async () => {
    const { "tls.crt": authority = "" } = await textsOf(cluster, "kv-ca");
    const metadata = { annotations: { "quorate.io/rotate-authority": "1" } };
    await api.mergePatch(QUORATE_CLUSTER, cluster.ref, { metadata });
    await untilTold(/^ReplacingAuthority .* the new one signs from/);
    await box.ctlAs({ ca: "/old", own: "/old" }, "put", "old/1", "both are trusted");
    await untilTold(/^ReplacingAuthority .* the old one until/);
    const { "tls.crt": next = "" } = await textsOf(cluster, "kv-ca");
    assert.notEqual(next, authority);
    for (const side of ["server", "peer"] as const) {
      const { "tls.crt": leaf = "" } = await textsOf(cluster, `kv-${side}-tls`);
      await untilShown(cluster, box, side, leaf, FOLLOWED_MS_MAX);
    }
    await box.ctlAs({ ca: "/tls", own: "/old" }, "put", "old/2", "the old one is trusted");
    await untilTold(/^Issued/);
    await cluster.ready(FOLLOWED_MS_MAX);
    assert.deepEqual(await livesOf(cluster), lives, "nothing restarted");
    await box.ctl("put", "new", "the new one alone is trusted");
    await assert.rejects(
      box.ctlAs({ ca: "/tls", own: "/old" }, "put", "old/3", "nothing of the old one"),
    );
    for (const name of ["kv-server-tls", "kv-peer-tls", "kv-client-tls"])
      assert.equal((await textsOf(cluster, name))["ca.crt"], next, name);
    await witness.assertServed("authority replaced");
    await witness.assertTrue();
    const { reloads } = await witness.report();
    assert.ok(reloads >= 2, `the witness took over what it was given ${reloads} times`);
  });
});
