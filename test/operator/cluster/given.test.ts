/** A given certificate, and what is said of it. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { buildConditions } from "../../../operator/cluster/conditions.ts";
import { planCertificates } from "../../../operator/cluster/given.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { buildView } from "../../../operator/cluster/view.ts";
import { Authority } from "../../../src/x509/authority.ts";
import { factsOf } from "./facts.ts";

const PAST = {
  notBefore: new Date(Date.UTC(2024, 0, 1)),
  notAfter: new Date(Date.UTC(2025, 0, 1)),
};

function secret(name: string, data: Readonly<Record<string, string>>): [string, Secret] {
  return [name, { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "data" }, data }];
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}

it("a given certificate is judged once in a pass: what the plan found is what the status says", () => {
  const authority = Authority.create("company", PAST);
  const { certificate, key } = authority.issue({
    commonName: null,
    names: ["kv-client.data.svc"],
    uses: ["server"],
    ...PAST,
  });
  let looks = 0;
  const given = {
    "tls.crt": encoded(certificate),
    "ca.crt": encoded(authority.certificate),
    get "tls.key"(): string {
      looks++;
      return encoded(key);
    },
  };
  const own = { "tls.crt": encoded(authority.certificate), "tls.key": encoded(key) };
  const held = ["server", "peer", "client", "operator"].map((of) => secret(`kv-${of}-tls`, own));
  const issuer = { secretRef: { name: "company" } };
  const spec = { tls: { client: { issuer } }, unsafe: { plaintext: false } };
  const { journal } = factsOf({ spec });
  assert.ok(journal !== null);
  const latched = { ...journal.document.latched, plaintext: false };
  const secrets = new Map([secret("kv-ca", own), secret("company", given), ...held]);
  const facts = factsOf({ spec, journal: { latched }, facts: { secrets } });
  const view = buildView(facts, facts.journal?.document ?? journal.document);
  planCertificates(view);
  assert.equal(looks, 1, "by the plan");
  const conditions = buildConditions(facts, view, { kind: "settled" });
  const told = conditions.find(({ type }) => type === "TLSReady");
  assert.equal(told?.reason, "RefusedCertificate");
  assert.match(told.message, /the Secret company ended at/);
  assert.equal(looks, 1, "and not again by the status");
});
