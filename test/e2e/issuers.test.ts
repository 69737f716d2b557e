/**
 * Certificates that others sign: for clients cert-manager, whose part the test plays by its kind and its Secret; between members
 * a Secret that somebody keeps up.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Authority } from "../../src/x509/authority.ts";
import { CERTIFICATE } from "../../operator/api/resources.ts";
import type { KubeObject } from "../../operator/kube/api.ts";
import { issue, newAuthority } from "../conformance/support/tls.ts";
import { eventually } from "./support/api.ts";
import { type Texts, livesOf, putSecret, textsOf, untilShown } from "./support/certificates.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { installKind, removeKind } from "./support/kinds.ts";
import { installOperator } from "./support/operator.ts";
import { Toolbox } from "./support/toolbox.ts";
import { Witness } from "./support/witness.ts";

const NAMESPACE = "e2e-issuers";
const READY_MS_MAX = 60_000;
const FOLLOWED_MS_MAX = 180_000;
const ISSUED = "kv-server-issued";

interface Certificate extends KubeObject {
  readonly spec: {
    readonly secretName: string;
    readonly dnsNames: readonly string[];
    readonly ipAddresses: readonly string[];
    readonly usages: readonly string[];
    readonly issuerRef: { readonly name: string; readonly kind: string; readonly group: string };
  };
}

/** As an issuer fills a Secret. */
function signed(authority: Authority, names: readonly string[]): Texts {
  const order = { commonName: "members", names, uses: ["server", "client"] } as const;
  const { certificate, key } = issue(authority, order);
  return { "tls.crt": certificate, "tls.key": key, "ca.crt": authority.certificate };
}

describe("a cluster whose certificates others sign", () => {
  const forClients = newAuthority("the company's");
  const forPeers = newAuthority("the storage team's");
  const peerNames = [`*.kv-peers.${NAMESPACE}.svc.cluster.local`, `*.kv-peers.${NAMESPACE}.svc`];
  let cluster: ClusterUnderTest;
  let asked: Certificate["spec"];
  let witness: Witness;
  let box: Toolbox;
  let isOurs = false;

  before(async () => {
    isOurs = await installKind(CERTIFICATE);
    await installOperator();
    cluster = await ClusterUnderTest.create(NAMESPACE, {
      replicas: 3,
      tls: {
        client: {
          issuer: { certManager: { issuerRef: { name: "company", kind: "ClusterIssuer" } } },
          extraNames: ["kv.example.com"],
        },
        peer: { issuer: { secretRef: { name: "storage-team" } } },
      },
    });
  });
  after(async () => {
    await cluster.remove();
    if (isOurs) await removeKind(CERTIFICATE);
  });

  it("asks cert-manager for one with every name by which its members are reached", async () => {
    const ref = { namespace: NAMESPACE, name: ISSUED };
    const found = await eventually<Certificate>(
      "a Certificate is asked for",
      CERTIFICATE,
      ref,
      (certificate) => certificate !== null,
      READY_MS_MAX,
    );
    assert.ok(found !== null);
    asked = found.spec;
    assert.deepEqual(asked.issuerRef, {
      name: "company",
      kind: "ClusterIssuer",
      group: "cert-manager.io",
    });
    assert.equal(asked.secretName, ISSUED);
    assert.deepEqual(asked.usages, ["server auth", "client auth"]);
    for (const name of ["kv.example.com", "localhost", `kv-client.${NAMESPACE}.svc`, ...peerNames])
      assert.ok(asked.dnsNames.includes(name), name);
    assert.deepEqual(asked.ipAddresses, ["127.0.0.1", "::1"]);
    const said = ({ status }: Awaited<ReturnType<ClusterUnderTest["get"]>>): boolean =>
      status?.conditions?.some(
        ({ type, message }) => type === "TLSReady" && (message ?? "").includes(ISSUED),
      ) ?? false;
    await cluster.until("it says what it waits for", said, READY_MS_MAX);
  });

  it("runs with what they sign, and clients know who signed it", async () => {
    await putSecret(cluster, ISSUED, signed(forClients, [...asked.dnsNames, ...asked.ipAddresses]));
    await putSecret(cluster, "storage-team", signed(forPeers, peerNames));
    await cluster.ready(READY_MS_MAX);
    box = await Toolbox.start(cluster.ref, { secrets: ["storage-team"] });
    await box.ctl("put", "key", "value");
    witness = await Witness.start(cluster.ref, { members: 3 });
    const { "tls.crt": server = "" } = await textsOf(cluster, ISSUED);
    await untilShown(cluster, box, "server", server, FOLLOWED_MS_MAX);
    const { "tls.crt": peer = "" } = await textsOf(cluster, "storage-team");
    await untilShown(cluster, box, "peer", peer, FOLLOWED_MS_MAX, "/storage-team");
  });

  it("takes over what they renew, by another authority too, while it serves", async () => {
    const lives = await livesOf(cluster);
    const server = signed(forClients, [...asked.dnsNames, ...asked.ipAddresses]);
    const peer = signed(newAuthority("the storage team's second"), peerNames);
    await putSecret(cluster, ISSUED, server);
    await putSecret(cluster, "storage-team", peer);
    await untilShown(cluster, box, "server", server["tls.crt"] ?? "", FOLLOWED_MS_MAX);
    await untilShown(cluster, box, "peer", peer["tls.crt"] ?? "", FOLLOWED_MS_MAX, "/storage-team");
    assert.deepEqual(await livesOf(cluster), lives, "nothing restarted");
    await witness.assertServed("certificates of others renewed");
    await witness.assertTrue();
  });
});
