/** Certificates that somebody else signs: renewed, by another authority, wrong for a while, lost, or not asked for any more. */
import { X509Certificate } from "node:crypto";
import { CERTIFICATE, SECRET } from "../../../operator/api/resources.ts";
import { customKind } from "../fake/kinds.ts";
import { Company, textOf } from "./company.ts";
import type { Scene, Theme } from "./themes.ts";
import { NAMESPACE } from "./world.ts";

/** Named by the spec, for both listeners. */
const GIVEN = "mine";
const LOOK_MS = 1_000;

type Source = "operatorCA" | "secretRef" | "certManager";

/** Who signs now, and where it is asked for; kept by the scene's sandbox. */
const companies = new WeakMap<object, Company>();

function companyOf({ sandbox }: Scene): Company {
  const company = companies.get(sandbox) ?? new Company();
  companies.set(sandbox, company);
  return company;
}

function sourceOf({ sandbox }: Scene): Source {
  const issuer = sandbox.cluster.spec.tls?.client?.issuer ?? {};
  if (issuer.secretRef != null) return "secretRef";
  return issuer.certManager == null ? "operatorCA" : "certManager";
}

function ask({ sandbox }: Scene, source: Source): void {
  const issuer = {
    operatorCA: source === "operatorCA" ? {} : null,
    secretRef: source === "secretRef" ? { name: GIVEN } : null,
    certManager: source === "certManager" ? { issuerRef: { name: "ca" } } : null,
  };
  sandbox.edit({ tls: { client: { issuer }, peer: { issuer } } } as never);
}

/** Secrets that the company fills now. */
function givenSecrets(scene: Scene): readonly string[] {
  switch (sourceOf(scene)) {
    case "operatorCA":
      return [];
    case "secretRef":
      return [GIVEN];
    case "certManager":
      return ["kv-server-issued", "kv-peer-issued"];
  }
}

/** As cert-manager does: what is asked for, and is not there, is made. */
function makeAsked(scene: Scene): void {
  const { sandbox } = scene;
  for (const { metadata } of sandbox.api.store.all(CERTIFICATE)) {
    const ref = { namespace: NAMESPACE, name: metadata.name };
    if (sandbox.api.store.get(SECRET, ref) === null && scene.random.chance(0.3))
      companyOf(scene).put(sandbox, metadata.name);
  }
  sandbox.time.after(LOOK_MS, () => makeAsked(scene));
}

function renew(scene: Scene): void {
  for (const name of givenSecrets(scene)) companyOf(scene).put(scene.sandbox, name);
}

export const issuers: Theme = {
  name: "issuers",
  spec: { unsafe: { plaintext: false } },
  prepare: (scene) => {
    scene.sandbox.api.store.register(customKind(CERTIFICATE));
    companyOf(scene).put(scene.sandbox, GIVEN);
    const sources = ["operatorCA", "secretRef", "certManager"] as const;
    ask(scene, sources[scene.random.between(0, 3)] ?? "secretRef");
    makeAsked(scene);
  },
  strokes: [
    (scene) => {
      scene.chaos.note("the given certificates are renewed");
      renew(scene);
    },
    (scene) => {
      scene.chaos.note("the given certificates are of another authority");
      companies.set(scene.sandbox, new Company());
      renew(scene);
    },
    (scene) => {
      const { sandbox, chaos, random } = scene;
      const [name] = givenSecrets(scene);
      if (name === undefined) return;
      chaos.note(`the Secret ${name} is lost`);
      sandbox.api.store.delete(SECRET, { namespace: NAMESPACE, name });
      sandbox.time.after(random.between(1_000, 60_000), () => companyOf(scene).put(sandbox, name));
    },
    (scene) => {
      const { sandbox, chaos, random } = scene;
      const [name] = givenSecrets(scene);
      if (name === undefined) return;
      chaos.note(`the Secret ${name} has other names`);
      companyOf(scene).put(sandbox, name, companyOf(scene).sign(["kv.example.com"]));
      sandbox.time.after(random.between(1_000, 60_000), () => companyOf(scene).put(sandbox, name));
    },
    (scene) => {
      const sources = ["operatorCA", "secretRef", "certManager"] as const;
      const source = sources[scene.random.between(0, 3)] ?? "operatorCA";
      scene.chaos.note(`the issuer is ${source}`);
      if (source === "secretRef") companyOf(scene).put(scene.sandbox, GIVEN);
      ask(scene, source);
    },
  ],
  surprises: [
    (scene) => {
      scene.chaos.note("the given certificates are of another authority, just now");
      companies.set(scene.sandbox, new Company());
      renew(scene);
    },
  ],
  tidy: renew,
  missing: (scene) => {
    const source = sourceOf(scene);
    // Without TLS nobody shows anything.
    if (scene.sandbox.cluster.spec.unsafe?.plaintext === true) return null;
    for (const side of ["client", "peer"] as const) {
      const missing = source === "operatorCA" ? ownLeft(scene, side) : givenLeft(scene, side);
      if (missing !== null) return missing;
    }
    return null;
  },
};

type Side = "client" | "peer";

function heldBy(side: Side): string {
  return side === "client" ? "kv-server-tls" : "kv-peer-tls";
}

/** It signs, and is trusted alone. */
function ownLeft({ sandbox }: Scene, side: Side): string | null {
  const held = heldBy(side);
  const authority = textOf(sandbox, "kv-ca", "tls.crt");
  if (textOf(sandbox, held, "ca.crt") !== authority) return `${held} trusts others still`;
  const leaf = new X509Certificate(textOf(sandbox, held, "tls.crt"));
  return leaf.verify(new X509Certificate(authority).publicKey) ? null : `${held} is not ours`;
}

/** Every member shows it, and nobody is trusted but its authority and the operator's. */
function givenLeft(scene: Scene, side: Side): string | null {
  const { sandbox } = scene;
  const names = givenSecrets(scene);
  const name = (side === "client" ? names[0] : names.at(-1)) ?? "";
  const given = textOf(sandbox, name, "tls.crt");
  if (given === "") return `there is no ${name}`;
  const print = new X509Certificate(given).fingerprint256.replaceAll(":", "").toLowerCase();
  for (const { pod } of sandbox.world.processes.values()) {
    const shown = sandbox.world.tls.report(pod, sandbox.time.now())[side];
    if (shown?.certificate !== print) return `${pod} does not show what ${name} has`;
  }
  const bundle = textOf(sandbox, heldBy(side), "ca.crt");
  const count = bundle.split("-----END CERTIFICATE-----").length - 1;
  const own = textOf(sandbox, "kv-ca", "previous.crt") === "" ? 1 : 2;
  return count <= own + 1 ? null : `${heldBy(side)} trusts ${count} authorities`;
}
