/** What cert-manager is asked for, where the spec names one of its issuers. Pure. */
import { CERTIFICATE } from "../../api/resources.ts";
import type { AppliedObject } from "../action.ts";
import { leavesOf } from "../certificates.ts";
import { clusterNames } from "../names.ts";
import type { View } from "../view.ts";
import { owned } from "./owned.ts";

/** It writes into a Secret of its own, from which the operator takes them over into what the members mount. */
export function buildCertificates(view: View): AppliedObject[] {
  const { cluster } = view.facts;
  const { serverTls, peerTls } = clusterNames(cluster.metadata.name);
  const issuers = new Map([
    [serverTls, view.spec.tls?.client.issuer.certManager],
    [peerTls, view.spec.tls?.peer.issuer.certManager],
  ]);
  return leavesOf(view).flatMap(({ secret, names, from }) => {
    const issuer = issuers.get(secret);
    if (issuer === undefined || from === null) return [];
    const isAddress = (name: string): boolean => /^[0-9.]+$|:/.test(name);
    return [
      owned(cluster, CERTIFICATE, from, {
        spec: {
          secretName: from,
          dnsNames: names.filter((name) => !isAddress(name)),
          ipAddresses: names.filter(isAddress),
          usages: ["server auth", "client auth"],
          privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
          issuerRef: {
            name: issuer.issuerRef.name,
            kind: issuer.issuerRef.kind,
            group: issuer.issuerRef.group,
          },
        },
      }),
    ];
  });
}
