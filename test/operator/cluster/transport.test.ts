/** To TLS and back on a modelled cluster that has settled: in which steps, what is told, and who can reach whom all along. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { CONFIG_MAP, POD, QUORATE_CLUSTER, SECRET } from "../../../operator/api/resources.ts";
import type { QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import { act } from "../../../operator/cluster/act.ts";
import { desiredStatefulSet } from "../../../operator/cluster/component/objects.ts";
import type { Pod } from "../../../operator/cluster/objects.ts";
import { observe } from "../../../operator/cluster/observe.ts";
import { buildView } from "../../../operator/cluster/view.ts";
import { CLUSTER, type Sandbox } from "../world/sandbox.ts";
import { MINUTE, lineageOf, settled } from "../world/settled.ts";
import { parted } from "../world/reach.ts";
import { spokenBy } from "../world/spoken.ts";
import { NAMESPACE } from "../world/world.ts";

const TLS = { plaintext: false, acceptPlaintext: false };
const OPEN = { plaintext: false, acceptPlaintext: true };
const PLAIN = { plaintext: true, acceptPlaintext: false };

function serves(sandbox: Sandbox): string[] {
  const pods = sandbox.api.store.all(POD) as Pod[];
  return pods.map((pod) => {
    const { clients, peers } = spokenBy(pod);
    return `clients ${[...clients].toSorted().join("+")}, peers ${[...peers].toSorted().join("+")}`;
  });
}

function schemes(sandbox: Sandbox): string[] {
  return lineageOf(sandbox).seats.map(({ url }) => url.replace(/:.*$/, ""));
}

function told({ cluster }: Sandbox): { status?: string; reason?: string; message?: string } {
  return cluster.status?.conditions?.find(({ type }) => type === "TLSReady") ?? {};
}

function secrets({ api }: Sandbox): string[] {
  return api.store.all(SECRET).map(({ metadata }) => metadata.name);
}

/** Until it is as this says and nothing is under way; at every moment all members that run reach each other. */
async function turned(
  sandbox: Sandbox,
  unsafe: NonNullable<QuorateClusterSpec["unsafe"]>,
): Promise<void> {
  sandbox.edit({ unsafe });
  await arrived(sandbox);
}

async function arrived(sandbox: Sandbox, replicas = 3): Promise<void> {
  const { plaintext, acceptPlaintext } = sandbox.cluster.spec.unsafe ?? {};
  const wanted = plaintext === true ? "http" : acceptPlaintext === true ? "http+https" : "https";
  const apart = new Set<string>();
  await sandbox.time.until("it has turned", 30 * MINUTE, () => {
    for (const each of parted(sandbox.world, lineageOf(sandbox))) apart.add(each);
    return (
      sandbox.isSettled(replicas) &&
      serves(sandbox).every((each) => each.startsWith(`clients ${wanted},`))
    );
  });
  assert.deepEqual([...apart], []);
}

const ROLL: readonly string[] = ["restart", "restart", "restart"];
const MOVES: readonly string[] = ["is http", "is http", "is http"];
const GONE: readonly string[] = ["server-tls", "peer-tls", "client-tls", "operator-tls", "ca"].map(
  (name) => `kv-${name} goes`,
);

/** What was done, in short. */
function steps({ actions }: Sandbox): string[] {
  return actions.flatMap((action) => {
    if (action.kind === "deletePod") return [`restart ${action.name}`];
    if (action.kind === "memberMove")
      return [action.peerUrl.replace(/^(https?):\/\/(kv-\d).*/, "$2 is $1")];
    if (action.kind === "deleteOwned") return [`${action.name} goes`];
    return [];
  });
}

describe("TLS that is turned on while a cluster serves", () => {
  it("comes in two rolls, the leader last in each, and peer URLs change between them, one at a time", async () => {
    await settled(101, async (sandbox) => {
      const leader = sandbox.cluster.status?.leader ?? "";
      await turned(sandbox, TLS);
      const done = steps(sandbox);
      assert.equal(done.length, 9, done.join(", "));
      assert.deepEqual(
        done.map((step) => step.replace(/ ?kv-\d ?/, "")),
        [
          "restart",
          "restart",
          "restart",
          "is https",
          "is https",
          "is https",
          "restart",
          "restart",
          "restart",
        ],
      );
      assert.equal(done[2], `restart ${leader}`);
      assert.deepEqual(schemes(sandbox), ["https", "https", "https"]);
      assert.deepEqual(new Set(serves(sandbox)), new Set(["clients https, peers https"]));
      const { status, reason } = told(sandbox);
      assert.deepEqual([status, reason], ["True", "Issued"]);
      assert.equal(sandbox.cluster.status?.endpoint, "https://kv-client.data.svc:2379");
      await sandbox.time.run(5 * MINUTE);
      assert.deepEqual(steps(sandbox), done, "and nothing more");
    });
  });

  it("leaves clients without it alone for as long as acceptPlaintext says, and takes one roll to refuse them", async () => {
    await settled(102, async (sandbox) => {
      await turned(sandbox, OPEN);
      assert.deepEqual(new Set(serves(sandbox)), new Set(["clients http+https, peers https"]));
      const { status, reason, message = "" } = told(sandbox);
      assert.deepEqual([status, reason], ["True", "PlaintextAccepted"]);
      assert.match(message, /move them to https:\/\/kv-client\.data\.svc:2379, then remove/);
      sandbox.actions.length = 0;
      await turned(sandbox, TLS);
      assert.deepEqual(
        steps(sandbox).map((step) => step.replace(/ .*/, "")),
        ["restart", "restart", "restart"],
      );
      assert.ok(sandbox.events.some((event) => event.reason === "RefusingPlaintext"));
    });
  });

  it("waits for a certificate that is given and is not there, and keeps nothing else waiting", async () => {
    await settled(103, async (sandbox) => {
      sandbox.edit({ unsafe: TLS, tls: { client: { issuer: { secretRef: { name: "mine" } } } } });
      const stalled = (): string | undefined =>
        sandbox.cluster.status?.conditions?.find(({ type }) => type === "Stalled")?.reason;
      await sandbox.time.until("told", MINUTE, () => stalled() === "AwaitCertificate");
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("grown", 10 * MINUTE, () => sandbox.world.isWhole(5));
      assert.deepEqual(new Set(serves(sandbox)), new Set(["clients http, peers http"]));
      sandbox.edit({ unsafe: PLAIN, tls: null as never });
      await sandbox.time.until("as it was", MINUTE, () => sandbox.isSettled(5));
    });
  });

  it("waits for restarts that a person makes, where the strategy is Manual, and goes on with each", async () => {
    await settled(112, async (sandbox) => {
      sandbox.edit({ update: { strategy: "Manual" }, unsafe: OPEN });
      const waits = (): boolean =>
        sandbox.condition("Updated") === "False" &&
        sandbox.cluster.status?.conditions?.find(({ type }) => type === "Reconciling")?.reason ===
          "AwaitRestarts";
      const uid = (name: string): string | undefined =>
        sandbox.api.store.get(POD, { namespace: NAMESPACE, name })?.metadata.uid;
      for (const of of [
        "clients http+https, peers http+https",
        "clients http+https, peers https",
      ]) {
        await sandbox.time.until("told", 10 * MINUTE, waits);
        for (const name of ["kv-0", "kv-1", "kv-2"]) {
          const before = uid(name);
          sandbox.api.store.delete(POD, { namespace: NAMESPACE, name });
          await sandbox.time.until(
            "another is there",
            5 * MINUTE,
            () => uid(name) !== before && sandbox.world.isWhole(3),
          );
        }
        assert.deepEqual(new Set(serves(sandbox)), new Set([of]));
      }
      await sandbox.time.until("there", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.deepEqual(schemes(sandbox), ["https", "https", "https"]);
      assert.equal(told(sandbox).reason, "PlaintextAccepted");
      assert.ok(!steps(sandbox).some((step) => step.startsWith("restart")));
    });
  });

  it("tells clients by Events what to do, and by the endpoint in status what to use now", async () => {
    await settled(104, async (sandbox) => {
      assert.equal(sandbox.cluster.status?.endpoint, "http://kv-client.data.svc:2379");
      assert.deepEqual([told(sandbox).status, told(sandbox).reason], ["False", "Plaintext"]);
      await turned(sandbox, TLS);
      const notes = sandbox.events.flatMap(({ reason, note }) =>
        reason === "TurningTLSOn" ? [note] : [],
      );
      assert.match(notes[0] ?? "", /clients go on with http:\/\/kv-client\.data\.svc:2379$/);
      assert.match(
        notes[1] ?? "",
        /clients move to https:\/\/kv-client\.data\.svc:2379 now: .*acceptPlaintext/,
      );
      assert.equal(notes.length, 2, notes.join("\n"));
    });
  });
});

describe("TLS that is turned off while a cluster serves", () => {
  it("goes as it came, and what was for it goes last, the authority last of all", async () => {
    await settled(
      105,
      async (sandbox) => {
        await turned(sandbox, PLAIN);
        await sandbox.time.until("all is gone", 5 * MINUTE, () => secrets(sandbox).length === 0);
        const done = steps(sandbox);
        assert.deepEqual(
          done.map((step) => step.replace(/ ?kv-\d ?/, "")),
          [ROLL, MOVES, ROLL, GONE].flat(),
        );
        assert.deepEqual(schemes(sandbox), ["http", "http", "http"]);
        assert.equal(sandbox.cluster.status?.endpoint, "http://kv-client.data.svc:2379");
      },
      { unsafe: TLS },
    );
  });

  it("issues nothing anew on its way: who asks clients for a certificate goes on asking as before", async () => {
    await settled(
      106,
      async (sandbox) => {
        const before = JSON.stringify(
          sandbox.api.store.all(SECRET).map(({ metadata }) => metadata.resourceVersion),
        );
        sandbox.edit({ unsafe: PLAIN, tls: null as never });
        await sandbox.time.until("half way", 10 * MINUTE, () => schemes(sandbox).includes("http"));
        const [set] = sandbox.api.store.all(POD) as Pod[];
        assert.doesNotMatch(JSON.stringify(set), /"--client-cert-auth/);
        assert.equal(
          JSON.stringify(
            sandbox.api.store.all(SECRET).map(({ metadata }) => metadata.resourceVersion),
          ),
          before,
        );
        await arrived(sandbox);
      },
      { unsafe: TLS, tls: { client: { mode: "Server" } } },
    );
  });
});

describe("a cluster whose members ask for a password that the operator does not have", () => {
  it("loses one member on its way from TLS, no more, and has it back where the spec goes back", async () => {
    await settled(
      115,
      async (sandbox) => {
        // By its certificate the operator is root; without TLS it is nobody.
        sandbox.world.rootPassword = "known to a person alone";
        sandbox.edit({ unsafe: PLAIN });
        const reason = (type: string): string | undefined =>
          sandbox.cluster.status?.conditions?.find((each) => each.type === type)?.reason;
        await sandbox.time.until("told", 40 * MINUTE, () => reason("Stalled") === "RollFailed");
        assert.match(sandbox.cluster.status?.operation?.message ?? "", /authentication failed/);
        assert.equal(serves(sandbox).filter((each) => each.includes("clients http,")).length, 1);
        await turned(sandbox, TLS);
      },
      { unsafe: TLS },
    );
  });
});

describe("a spec that changes back while TLS comes", () => {
  for (const [what, isThen] of [
    [
      "before the first restart is over",
      (sandbox: Sandbox) => serves(sandbox).some((each) => each.includes("https")),
    ],
    ["while peer URLs change", (sandbox: Sandbox) => schemes(sandbox).includes("https")],
    [
      "in the second roll",
      (sandbox: Sandbox) => serves(sandbox).some((each) => each.endsWith("peers https")),
    ],
  ] as const)
    it(`turns around ${what}, and ends where it began`, async () => {
      await settled(107, async (sandbox) => {
        sandbox.edit({ unsafe: TLS });
        await sandbox.time.until(what, 20 * MINUTE, () => isThen(sandbox));
        await turned(sandbox, PLAIN);
        await sandbox.time.until("all is gone", 5 * MINUTE, () => secrets(sandbox).length === 0);
        assert.deepEqual(schemes(sandbox), ["http", "http", "http"]);
      });
    });

  it("moves no further member once it has changed, and back those that were moved", async () => {
    await settled(114, async (sandbox) => {
      sandbox.edit({ unsafe: TLS });
      await sandbox.time.until("the first", 20 * MINUTE, () => schemes(sandbox).includes("https"));
      await turned(sandbox, PLAIN);
      const moves = steps(sandbox).filter((step) => step.includes(" is "));
      const [first = ""] = moves;
      assert.deepEqual(moves, [first, first.replace("https", "http")]);
    });
  });

  it("needs no second roll where no more than the first had begun", async () => {
    await settled(108, async (sandbox) => {
      sandbox.edit({ unsafe: TLS });
      await sandbox.time.until("one has", 20 * MINUTE, () =>
        serves(sandbox).some((each) => each.includes("https")),
      );
      sandbox.edit({ unsafe: PLAIN });
      await arrived(sandbox);
      assert.ok(!steps(sandbox).some((step) => step.includes(" is ")), "no URL was changed");
    });
  });
});

describe("an operator that was held up", () => {
  it("brings no template of before back: whoever restarts by it might be parted from the others", async () => {
    await settled(113, async (sandbox) => {
      const late = sandbox.reconciler();
      const { facts, admin } = await observe(late, sandbox.cluster);
      const planned = desiredStatefulSet(buildView(facts, present(sandbox.journal, "a journal")));
      await turned(sandbox, TLS);
      const action = { kind: "apply", objects: [planned] } as const;
      await assert.rejects(act(late, admin, facts, action), { code: "conflict" });
      assert.deepEqual(new Set(serves(sandbox)), new Set(["clients https, peers https"]));
    });
  });
});

describe("between with TLS and without", () => {
  const atUrls = async (sandbox: Sandbox): Promise<void> => {
    sandbox.edit({ unsafe: TLS });
    await sandbox.time.until("URLs change", 20 * MINUTE, () => schemes(sandbox).includes("https"));
  };

  it("a journal that is lost is made anew from what runs, and goes on", async () => {
    await settled(109, async (sandbox) => {
      await atUrls(sandbox);
      sandbox.api.store.delete(CONFIG_MAP, { namespace: NAMESPACE, name: `${CLUSTER}-journal` });
      await arrived(sandbox);
      assert.deepEqual(schemes(sandbox), ["https", "https", "https"]);
    });
  });

  it("a status that is lost is told again", async () => {
    await settled(110, async (sandbox) => {
      await atUrls(sandbox);
      sandbox.api.setStatus(QUORATE_CLUSTER, { namespace: NAMESPACE, name: CLUSTER }, {});
      await sandbox.time.until("told", MINUTE, () => told(sandbox).reason === "TurningTLSOn");
      await arrived(sandbox);
    });
  });

  it("a cluster grows, loses a disk, sleeps and wakes", async () => {
    await settled(111, async (sandbox) => {
      await atUrls(sandbox);
      sandbox.edit({ replicas: 5 });
      await arrived(sandbox, 5);
      sandbox.edit({ unsafe: PLAIN });
      await sandbox.time.until("both", 20 * MINUTE, () => schemes(sandbox).includes("http"));
      const process = sandbox.world.processes.get("kv-1");
      sandbox.world.disks.delete(process?.claimUid ?? "");
      sandbox.world.stop("kv-1");
      await arrived(sandbox, 5);
      sandbox.edit({ unsafe: OPEN });
      await sandbox.time.until("both", 20 * MINUTE, () => schemes(sandbox).includes("https"));
      sandbox.edit({ replicas: 0 });
      await sandbox.time.until(
        "asleep",
        20 * MINUTE,
        () => sandbox.api.store.all(POD).length === 0,
      );
      sandbox.edit({ replicas: 5 });
      await sandbox.time.until("awake", 10 * MINUTE, () => sandbox.world.isWhole(5));
      await arrived(sandbox, 5);
    });
  });
});
