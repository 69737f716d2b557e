/** Certificates that somebody else signs, for the cluster of the model. */
import { SECRET } from "../../../operator/api/resources.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { Authority } from "../../../src/x509/authority.ts";
import type { Sandbox } from "./sandbox.ts";
import { NAMESPACE } from "./world.ts";

export const YEAR: { readonly notBefore: Date; readonly notAfter: Date } = {
  notBefore: new Date(Date.UTC(2025, 0, 1)),
  notAfter: new Date(Date.UTC(2035, 0, 1)),
};
export const NAMES: readonly string[] = [
  "*.kv-peers.data.svc.cluster.local",
  "*.kv-peers.data.svc",
  "kv-client.data.svc",
];

/** An authority of somebody else's, which keeps a Secret up. */
export class Company {
  readonly #authority = Authority.create("company", YEAR);
  readonly certificate: string = this.#authority.certificate;

  sign(names: readonly string[] = NAMES, validity: typeof YEAR = YEAR): Record<string, string> {
    const order = { commonName: null, names, uses: ["server", "client"] } as const;
    const { certificate, key } = this.#authority.issue({ ...order, ...validity });
    return { "tls.crt": certificate, "tls.key": key, "ca.crt": this.certificate };
  }

  put({ api }: Sandbox, name: string, texts: Record<string, string> = this.sign()): void {
    const data = Object.fromEntries(
      Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
    );
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE } };
    if (api.store.get(SECRET, { namespace: NAMESPACE, name }) === null)
      api.store.create(SECRET, { ...secret, data } as Secret, "company");
    else api.store.mergePatch(SECRET, { namespace: NAMESPACE, name }, { data }, "company");
  }
}

/** Of a Secret; empty where there is none. */
export function textOf({ api }: Sandbox, name: string, key: string): string {
  const secret = api.store.get(SECRET, { namespace: NAMESPACE, name }) as Secret | null;
  return Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
}
