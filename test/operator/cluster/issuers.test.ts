/** Certificates that somebody else signs: a Secret that is kept up, or cert-manager. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { CERTIFICATE, POD, SECRET } from "../../../operator/api/resources.ts";
import { Authority } from "../../../src/x509/authority.ts";
import { customKind } from "../fake/kinds.ts";
import { Company, NAMES, YEAR, textOf } from "../world/company.ts";
import { Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

function shows(sandbox: Sandbox, side: "client" | "peer", certificate: string): boolean {
  const print = new X509Certificate(certificate).fingerprint256.replaceAll(":", "").toLowerCase();
  return ["kv-0", "kv-1", "kv-2"].every(
    (pod) => sandbox.world.tls.report(pod, sandbox.time.now())[side]?.certificate === print,
  );
}

const LOOK_MS = 1_000;

/** Goes on until it holds, and then for two minutes; nobody refuses anybody meanwhile, and no pod is made anew. */
async function quietly(sandbox: Sandbox, what: string, holds: () => boolean): Promise<void> {
  const pods = sandbox.api.store.all(POD).map(({ metadata }) => metadata.uid);
  const refused = new Set<string>();
  let lookedAt = 0;
  const look = (): void => {
    if (sandbox.time.now() < lookedAt + LOOK_MS) return;
    lookedAt = sandbox.time.now();
    const [ca, cert] = ["ca.crt", "tls.crt"].map((key) => textOf(sandbox, "kv-client-tls", key));
    const own = { ca: ca ?? "", cert: cert ?? "", key: "", serverName: "" };
    const client = ["kv-0", "kv-1"].flatMap((pod) => sandbox.world.tls.refusal(pod, own) ?? []);
    for (const each of [...sandbox.world.tls.strangers(), ...client]) refused.add(each);
  };
  await sandbox.time.until(what, 5 * MINUTE, () => {
    look();
    return holds();
  });
  const end = sandbox.time.now() + 2 * MINUTE;
  await sandbox.time.until("two minutes are over", 3 * MINUTE, () => {
    look();
    return sandbox.time.now() >= end;
  });
  assert.deepEqual([...refused], []);
  assert.deepEqual(
    sandbox.api.store.all(POD).map(({ metadata }) => metadata.uid),
    pods,
  );
  assert.equal(sandbox.isSettled(3), true);
}

const MINE = { secretRef: { name: "mine" } };

function tls(client: object, peer: object): object {
  return {
    unsafe: { plaintext: false },
    tls: { client: { issuer: client }, peer: { issuer: peer } },
  };
}

/** A cluster that nobody has given certificates to yet. */
async function beginning(
  seed: number,
  spec: object,
  act: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  const sandbox = new Sandbox(seed);
  const stop = new AbortController();
  sandbox.create(spec);
  const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
  try {
    await act(sandbox);
  } finally {
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  }
}

describe("a cluster whose certificates are in a Secret of somebody else's", () => {
  it("waits for all three parts of it, and is then known to the operator and to clients", async () => {
    await beginning(91, tls(MINE, MINE), async (sandbox) => {
      const company = new Company();
      const { "ca.crt": _ca, ...without } = company.sign();
      company.put(sandbox, "mine", without);
      await sandbox.time.run(MINUTE);
      const told = sandbox.cluster.status?.conditions?.find(({ type }) => type === "TLSReady");
      assert.equal(told?.message, "the Secret mine does not have tls.crt, tls.key and ca.crt yet");
      company.put(sandbox, "mine");
      await sandbox.time.until("it settles", 5 * MINUTE, () => sandbox.isSettled(3));
      for (const user of ["kv-client-tls", "kv-operator-tls"])
        assert.ok(textOf(sandbox, user, "ca.crt").includes(company.certificate), user);
    });
  });

  it("is told where cert-manager shall make it and is not there; once it is, it is asked", async () => {
    const certManager = { certManager: { issuerRef: { name: "ca" } } };
    await beginning(92, tls(certManager, { operatorCA: {} }), async (sandbox) => {
      await sandbox.time.run(MINUTE);
      const told = sandbox.cluster.status?.conditions?.find(({ type }) => type === "TLSReady");
      assert.match(told?.message ?? "", /cert-manager, which shall make it, is not installed$/);
      sandbox.api.store.register(customKind(CERTIFICATE));
      const ref = { namespace: NAMESPACE, name: "kv-server-issued" };
      await sandbox.time.until(
        "a Certificate is there",
        MINUTE,
        () => sandbox.api.store.get(CERTIFICATE, ref) !== null,
      );
      new Company().put(sandbox, "kv-server-issued");
      await sandbox.time.until("it settles", 5 * MINUTE, () => sandbox.isSettled(3));
      sandbox.edit(tls({ operatorCA: {}, certManager: null }, { operatorCA: {} }));
      await sandbox.time.until(
        "the Certificate goes",
        MINUTE,
        () => sandbox.api.store.get(CERTIFICATE, ref) === null,
      );
    });
  });

  it("goes over to it from the operator's authority, to another one, and back, and nobody refuses anybody", async () => {
    await settled(
      93,
      async (sandbox) => {
        const [one, other] = [new Company(), new Company()];
        one.put(sandbox, "mine");
        sandbox.edit(tls(MINE, MINE));
        const mine = (): string => textOf(sandbox, "mine", "tls.crt");
        const all = (): boolean =>
          shows(sandbox, "client", mine()) && shows(sandbox, "peer", mine());
        await quietly(sandbox, "the given one is shown", all);
        other.put(sandbox, "mine");
        await quietly(sandbox, "the one by another authority is shown", all);
        const bundle = textOf(sandbox, "kv-peer-tls", "ca.crt");
        assert.equal(bundle.includes(one.certificate), false, "the first one is trusted no more");
        const own = { operatorCA: {}, secretRef: null };
        sandbox.edit(tls(own, own));
        const authority = textOf(sandbox, "kv-ca", "tls.crt");
        await quietly(sandbox, "its own is trusted alone", () =>
          ["kv-server-tls", "kv-peer-tls", "kv-client-tls"].every(
            (name) => textOf(sandbox, name, "ca.crt") === authority,
          ),
        );
      },
      { unsafe: { plaintext: false } },
    );
  });

  it("goes over to another authority once a member that was cut off says that it trusts it, too", async () => {
    await settled(
      97,
      async (sandbox) => {
        new Company().put(sandbox, "mine");
        sandbox.edit(tls(MINE, MINE));
        const mine = (): string => textOf(sandbox, "mine", "tls.crt");
        const all = (): boolean =>
          shows(sandbox, "client", mine()) && shows(sandbox, "peer", mine());
        await quietly(sandbox, "the given one is shown", all);
        const before = mine();
        sandbox.world.cut.add("kv-1");
        new Company().put(sandbox, "mine");
        await sandbox.time.run(MINUTE);
        assert.equal(textOf(sandbox, "kv-peer-tls", "tls.crt"), before);
        sandbox.world.cut.clear();
        await quietly(sandbox, "the one by another authority is shown", all);
      },
      { unsafe: { plaintext: false } },
    );
  });

  it("goes on with what it has where the Secret vanishes", async () => {
    await settled(
      94,
      async (sandbox) => {
        new Company().put(sandbox, "mine");
        sandbox.edit(tls(MINE, MINE));
        const { "tls.crt": mine } = { "tls.crt": textOf(sandbox, "mine", "tls.crt") };
        await quietly(sandbox, "shown", () => shows(sandbox, "peer", mine));
        sandbox.api.store.delete(SECRET, { namespace: NAMESPACE, name: "mine" });
        await quietly(sandbox, "still shown", () => shows(sandbox, "peer", mine));
      },
      { unsafe: { plaintext: false } },
    );
  });

  it("refuses what would part its members, says why, and goes on with what it has", async () => {
    await settled(
      95,
      async (sandbox) => {
        const company = new Company();
        company.put(sandbox, "mine");
        sandbox.edit(tls(MINE, MINE));
        const mine = textOf(sandbox, "mine", "tls.crt");
        await quietly(sandbox, "shown", () => shows(sandbox, "peer", mine));
        const told = (): string =>
          sandbox.cluster.status?.conditions?.find(({ type }) => type === "TLSReady")?.message ??
          "";
        const good = company.sign();
        const past = { notBefore: YEAR.notBefore, notAfter: new Date(Date.UTC(2025, 6, 1)) };
        const [peers = ""] = NAMES;
        const wrong: readonly (readonly [Record<string, string>, RegExp])[] = [
          [{ ...good, "tls.key": company.sign()["tls.key"] ?? "" }, /is not that of its tls\.key/],
          [{ ...good, "tls.key": "none" }, /has a tls\.key that cannot be read/],
          [{ ...good, "tls.crt": "none" }, /tls\.crt of the Secret mine is no certificate/],
          [{ ...good, "ca.crt": new Company().certificate }, /not signed by an authority in its/],
          [company.sign(NAMES, past), /ended at Jul {2}1 /],
          [company.sign(["kv.example.com"]), /does not name kv-0\.kv-peers\.data\.svc\.cluster/],
          [company.sign([peers]), /does not name kv-client\.data\.svc/],
        ];
        for (const [texts, says] of wrong) {
          company.put(sandbox, "mine", texts);
          await sandbox.time.until(String(says), MINUTE, () => says.test(told()));
          assert.match(told(), /; members go on with what they have$/);
          await sandbox.time.run(MINUTE);
          assert.ok(shows(sandbox, "client", mine), String(says));
          // Between members the last one is right.
          if (texts !== wrong.at(-1)?.[0]) assert.ok(shows(sandbox, "peer", mine), String(says));
        }
        company.put(sandbox, "mine", good);
        await quietly(sandbox, "the right one is taken over", () =>
          shows(sandbox, "client", good["tls.crt"] ?? ""),
        );
      },
      { unsafe: { plaintext: false } },
    );
  });

  it("takes one over that leads to its authority by way of another", async () => {
    await beginning(96, tls(MINE, MINE), async (sandbox) => {
      const root = Authority.create("root", YEAR);
      const link = root.issue({ commonName: "between", names: [], uses: ["authority"], ...YEAR });
      const between = new Authority(link.certificate, link.key);
      const order = { commonName: null, names: NAMES, uses: ["server", "client"] } as const;
      const { certificate, key } = between.issue({ ...order, ...YEAR });
      const chain = `${certificate}${between.certificate}`;
      const texts = { "tls.crt": chain, "tls.key": key, "ca.crt": root.certificate };
      new Company().put(sandbox, "mine", texts);
      await sandbox.time.until(
        "taken over",
        MINUTE,
        () => textOf(sandbox, "kv-server-tls", "tls.crt") === chain,
      );
    });
  });
});
