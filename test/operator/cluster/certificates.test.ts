/** Certificates: whom they name, and how an authority is replaced while everybody goes on. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { POD, QUORATE_CLUSTER, SECRET } from "../../../operator/api/resources.ts";
import { ROTATE_ANNOTATION } from "../../../operator/cluster/operation/authority.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

const TLS = { unsafe: { plaintext: false } };
const DAY_MS = 86_400_000;

function textOf({ api }: Sandbox, name: string, key: string): string {
  const secret = api.store.get(SECRET, { namespace: NAMESPACE, name }) as Secret | null;
  return Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
}

function certificateOf(sandbox: Sandbox, name: string): X509Certificate {
  return new X509Certificate(textOf(sandbox, name, "tls.crt"));
}

function podUids({ api }: Sandbox): (string | undefined)[] {
  return api.store.all(POD).map(({ metadata }) => metadata.uid);
}

describe("a cluster's certificates", () => {
  it("name the members and the Service in every way in which they are reached", async () => {
    await settled(
      81,
      async (sandbox) => {
        const server = certificateOf(sandbox, "kv-server-tls");
        const peer = certificateOf(sandbox, "kv-peer-tls");
        for (const pod of ["kv-0", "kv-6"])
          for (const domain of ["svc", "svc.cluster.local"]) {
            const host = `${pod}.kv-peers.data.${domain}`;
            assert.notEqual(server.checkHost(host), undefined, host);
            assert.notEqual(peer.checkHost(host), undefined, host);
          }
        for (const host of ["kv-client", "kv-client.data", "kv-client.data.svc", "kv.example.com"])
          assert.notEqual(server.checkHost(host), undefined, host);
        assert.equal(server.checkIP("127.0.0.1"), "127.0.0.1");
        const authority = certificateOf(sandbox, "kv-ca");
        for (const name of ["kv-client-tls", "kv-operator-tls"])
          assert.ok(certificateOf(sandbox, name).verify(authority.publicKey), name);
        await sandbox.time.run(1);
      },
      { ...TLS, tls: { client: { extraNames: ["kv.example.com"] } } },
    );
  });

  it("are made anew at two thirds of their life, and no pod restarts", async () => {
    await settled(
      82,
      async (sandbox) => {
        const before = certificateOf(sandbox, "kv-peer-tls");
        const pods = podUids(sandbox);
        const end = Date.parse(before.validTo);
        const reconciler = { ...sandbox.reconciler(), now: () => end - 100 * DAY_MS };
        const stop = new AbortController();
        const operating = sandbox.operate(reconciler, stop.signal);
        await sandbox.time.until("renewed", MINUTE, () => {
          return certificateOf(sandbox, "kv-peer-tls").serialNumber !== before.serialNumber;
        });
        await sandbox.time.run(MINUTE);
        stop.abort();
        await sandbox.time.run(10);
        await operating;
        assert.deepEqual(podUids(sandbox), pods);
      },
      TLS,
    );
  });

  it("are made anew by the same authority where a person deletes one, and no pod restarts", async () => {
    await settled(
      84,
      async (sandbox) => {
        const before = certificateOf(sandbox, "kv-server-tls");
        const pods = podUids(sandbox);
        sandbox.api.store.delete(SECRET, { namespace: NAMESPACE, name: "kv-server-tls" });
        await sandbox.time.until("made anew", MINUTE, () => {
          const text = textOf(sandbox, "kv-server-tls", "tls.crt");
          return text !== "" && new X509Certificate(text).serialNumber !== before.serialNumber;
        });
        await sandbox.time.run(MINUTE);
        const authority = certificateOf(sandbox, "kv-ca");
        assert.ok(certificateOf(sandbox, "kv-server-tls").verify(authority.publicKey));
        assert.deepEqual(podUids(sandbox), pods);
      },
      TLS,
    );
  });
});

/** What the Secret for clients holds, as a client reads it that is so much behind. */
class LateClient {
  readonly #sandbox: Sandbox;
  readonly #lateMs: number;
  readonly #seen: { readonly at: number; readonly ca: string; readonly cert: string }[] = [];

  constructor(sandbox: Sandbox, lateMs: number) {
    this.#sandbox = sandbox;
    this.#lateMs = lateMs;
  }

  /** Members that would not talk to it now. */
  refusals(): string[] {
    const { time, world } = this.#sandbox;
    const at = time.now();
    const [cert = "", ca = ""] = ["tls.crt", "ca.crt"].map((key) =>
      textOf(this.#sandbox, "kv-client-tls", key),
    );
    this.#seen.push({ at, ca, cert });
    const late = this.#seen.findLast((each) => each.at <= at - this.#lateMs) ?? this.#seen[0];
    if (late === undefined) return [];
    const tls = { ...late, key: "", serverName: "" };
    return ["kv-0", "kv-1", "kv-2"].flatMap((pod) => world.tls.refusal(pod, tls) ?? []);
  }
}

interface Replacement {
  readonly before: string;
  readonly pods: readonly unknown[];
  /** Members that a member or the client would not have talked to, at any moment. */
  readonly refused: ReadonlySet<string>;
  /** Authorities that a member trusted at once, at most. */
  readonly most: number;
}

/** Members look at their files every few seconds. */
const LOOK_MS = 3_000;

/** Until every step was made; `client` is asked all the time. */
async function untilReplaced(sandbox: Sandbox, client: LateClient): Promise<Replacement> {
  const before = textOf(sandbox, "kv-peer-tls", "ca.crt");
  const pods = podUids(sandbox);
  const refused = new Set<string>();
  let most = 0;
  let lookedAt = 0;
  await sandbox.time.until("replaced", 20 * MINUTE, () => {
    if (sandbox.time.now() < lookedAt + LOOK_MS) return false;
    lookedAt = sandbox.time.now();
    for (const each of [...sandbox.world.tls.strangers(), ...client.refusals()]) refused.add(each);
    const held = sandbox.world.tls.report("kv-0", sandbox.time.now()).peer;
    most = Math.max(most, held?.authorities.length ?? 0);
    const last = sandbox.journal?.history.at(-1);
    return last?.message === "every member trusts the new authority alone" && sandbox.isSettled(3);
  });
  return { before, pods, refused, most };
}

const OVERLAP = { unsafe: { plaintext: false }, tls: { authorityOverlap: "3m" } };

describe("the operator's authority", () => {
  it("is replaced when a person says so, and at no moment is anybody refused who is within the overlap", async () => {
    await settled(
      83,
      async (sandbox) => {
        const ref = { namespace: NAMESPACE, name: CLUSTER };
        const metadata = { annotations: { [ROTATE_ANNOTATION]: "1" } };
        sandbox.api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
        const client = new LateClient(sandbox, 2 * MINUTE);
        const { before, pods, refused, most } = await untilReplaced(sandbox, client);
        assert.deepEqual([...refused], []);
        assert.equal(most, 2, "both were trusted for a while");
        const bundle = textOf(sandbox, "kv-peer-tls", "ca.crt");
        assert.equal(bundle, textOf(sandbox, "kv-ca", "tls.crt"));
        assert.notEqual(bundle, before);
        assert.deepEqual(podUids(sandbox), pods);
        await sandbox.time.run(5 * MINUTE);
        const turns = sandbox.journal?.history.filter(({ type }) => type === "RotateAuthority");
        assert.equal(turns?.length, 3, "once for each word");
      },
      OVERLAP,
    );
  });

  it("is waited for by nobody: between its steps the cluster is as its spec says", async () => {
    await settled(
      86,
      async (sandbox) => {
        const ref = { namespace: NAMESPACE, name: CLUSTER };
        const metadata = { annotations: { [ROTATE_ANNOTATION]: "1" } };
        sandbox.api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
        const told = (): { reason?: string; message?: string } =>
          sandbox.cluster.status?.conditions?.find(({ type }) => type === "TLSReady") ?? {};
        await sandbox.time.until("both are trusted", 5 * MINUTE, () => {
          const [first] =
            sandbox.journal?.history.filter((e) => e.type === "RotateAuthority") ?? [];
          return first !== undefined && told().reason === "ReplacingAuthority";
        });
        assert.match(told().message ?? "", /the new one signs from 20/);
        sandbox.edit({ replicas: 5 });
        await sandbox.time.until("it grows meanwhile", 5 * MINUTE, () => sandbox.isSettled(5));
        assert.match(told().message ?? "", /the new one signs from 20/);
        await sandbox.time.run(3 * MINUTE);
        assert.match(told().message ?? "", /the old one until 20/);
        await sandbox.time.until("it is over", 10 * MINUTE, () => told().reason === "Issued");
        const authority = textOf(sandbox, "kv-ca", "tls.crt");
        const print = new X509Certificate(authority).fingerprint256
          .replaceAll(":", "")
          .toLowerCase();
        for (const pod of ["kv-0", "kv-4"]) {
          const { peer } = sandbox.world.tls.report(pod, sandbox.time.now());
          assert.deepEqual(peer?.authorities, [print], `${pod} trusts it alone`);
        }
      },
      OVERLAP,
    );
  });

  it("that is lost is replaced likewise: what it signed is good until the next one is known everywhere", async () => {
    await settled(
      85,
      async (sandbox) => {
        sandbox.api.store.delete(SECRET, { namespace: NAMESPACE, name: "kv-ca" });
        const client = new LateClient(sandbox, 2 * MINUTE);
        const { pods, refused, before } = await untilReplaced(sandbox, client);
        assert.deepEqual([...refused], []);
        const bundle = textOf(sandbox, "kv-peer-tls", "ca.crt");
        assert.equal(bundle, textOf(sandbox, "kv-ca", "tls.crt"));
        assert.notEqual(bundle, before);
        assert.deepEqual(podUids(sandbox), pods);
      },
      OVERLAP,
    );
  });

  it("whose key alone is lost is replaced too", async () => {
    await settled(
      87,
      async (sandbox) => {
        const ref = { namespace: NAMESPACE, name: "kv-ca" };
        sandbox.api.store.mergePatch(SECRET, ref, { data: { "tls.key": null } }, "person");
        const { refused } = await untilReplaced(sandbox, new LateClient(sandbox, 2 * MINUTE));
        assert.deepEqual([...refused], []);
        assert.notEqual(textOf(sandbox, "kv-ca", "tls.key"), "");
      },
      OVERLAP,
    );
  });
});
