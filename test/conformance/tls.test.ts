/** Over mutual TLS, between members too, etcdctl prints against us what it prints against etcd; and whom we refuse. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Cluster } from "./support/cluster.ts";
import { formats } from "./support/script.ts";
import { issue, newAuthority, Pki, printed } from "./support/tls.ts";
import { type Finished, run, tool, until } from "./support/tools.ts";
import { sameAsEtcd } from "./support/twins.ts";

describe("etcdctl over mutual TLS", () => {
  sameAsEtcd(
    "against three members, each of them and all of them",
    [
      "put a 1",
      "put b 2 --endpoints=$client1",
      "get '' --prefix --endpoints=$client2",
      ...formats("get a"),
      { run: "txn", stdin: 'value("a") = "1"\n\nput c 3\n\nget a\n\n' },
      "lease grant 100",
      "del a --prev-kv",
      "compaction 3",
      "endpoint health --endpoints=$client0",
      "endpoint hashkv --endpoints=$endpoints",
      { run: "member list", sorted: true },
      "get b --endpoints=https://$client1",
      "get b --insecure-transport=false",
      "lock l echo held",
    ],
    { members: 3, tls: true },
  );

  sameAsEtcd(
    "with certificates that do not fit",
    [
      "get a --cacert=$pki/client.pem --command-timeout=2s",
      "get a --cacert=$pki/ca.pem --insecure-skip-tls-verify --cert=$pki/client.pem --key=$pki/client.key",
      "get a --cacert=$pki/none.pem",
      "get a --cacert=$pki/ca.pem --cert=$pki/client.pem",
    ],
    { tls: true },
  );
});

async function withPki(body: (pki: Pki) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "conformance-tls-"));
  try {
    await body(new Pki(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function withMember(
  pki: Pki,
  flags: readonly string[],
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.start({ product: "quorate", members: 1, tls: pki, flags });
  try {
    await body(cluster);
  } finally {
    await cluster.stop();
  }
}

function etcdctl(endpoint: string, ...words: readonly string[]): Promise<Finished> {
  return run([tool("etcdctl"), `--endpoints=${endpoint}`, "--command-timeout=2s", ...words]);
}

describe("a member with TLS", () => {
  it("refuses clients without a certificate, with one of the wrong kind, and without TLS", async () => {
    await withPki(async (pki) => {
      await withMember(pki, [], async (cluster) => {
        const { endpoint } = cluster.member(0);
        const trust = `--cacert=${pki.path("ca.pem")}`;
        const pair = (name: string): string[] => [
          `--cert=${pki.path(`${name}.pem`)}`,
          `--key=${pki.path(`${name}.key`)}`,
        ];
        assert.equal((await etcdctl(endpoint, trust, ...pair("client"), "put", "a", "1")).code, 0);
        // A client that is slow to connect may say only that its time was over.
        await until("a refusal with its reason", 20_000, async () => {
          const bare = await etcdctl(endpoint, trust, "get", "a");
          assert.notEqual(bare.code, 0);
          return /certificate required/.test(bare.stderr);
        });
        assert.notEqual((await etcdctl(endpoint, trust, ...pair("server"), "get", "a")).code, 0);
        assert.notEqual((await etcdctl(`http://${endpoint}`, "get", "a")).code, 0);
      });
    });
  });

  it("stops taking a client whose certificate is revoked, by gRPC and by HTTP", async () => {
    await withPki(async (pki) => {
      const day = 86_400_000;
      const [from, to] = [new Date(Date.now() - day), new Date(Date.now() + day)];
      pki.replace("crl", pki.authority.revoke([], 1n, from, to));
      await withMember(pki, [`--client-crl-file=${pki.path("crl")}`], async (cluster) => {
        const { endpoint, clientUrl } = cluster.member(0);
        const healthy = pki.client;
        pki.write("revoked", issue(pki.authority, { commonName: "r", uses: ["client"] }));
        const words = [`--cacert=${pki.path("ca.pem")}`, `--cert=${pki.path("revoked.pem")}`];
        const get = (): Promise<Finished> =>
          etcdctl(endpoint, ...words, `--key=${pki.path("revoked.key")}`, "get", "a");
        assert.equal((await get()).code, 0);
        const revoked = pki.write(
          "revoked",
          issue(pki.authority, { commonName: "r", uses: ["client"] }),
        );
        pki.replace("crl", pki.authority.revoke([revoked.serial], 2n, from, to));
        await until("the refusal", 15_000, async () => (await get()).code !== 0);
        pki.client = revoked;
        await assert.rejects(pki.get(`${clientUrl}/health`));
        pki.client = healthy;
        assert.match((await pki.get(`${clientUrl}/health`)).body, /true/);
      });
    });
  });

  it("serves TLS, plaintext and sockets side by side", async () => {
    await withPki(async (pki) => {
      const socket = pki.path("q.sock");
      const cluster = await Cluster.start({
        product: "quorate",
        members: 1,
        flagsOf: () => [
          `--cert-file=${pki.path("server.pem")}`,
          `--key-file=${pki.path("server.key")}`,
        ],
        flags: [`--listen-metrics-urls=unix://${socket}`],
      });
      try {
        assert.equal((await etcdctl(cluster.member(0).endpoint, "put", "a", "1")).code, 0);
        const curl = await run([
          process.execPath,
          "-e",
          `require("http").get({socketPath:${JSON.stringify(socket)},path:"/health"},(r)=>r.pipe(process.stdout))`,
        ]);
        assert.match(curl.stdout, /"health":"true"/);
      } finally {
        await cluster.stop();
      }
    });
  });
});

describe("three members under etcd's benchmark", () => {
  it("answer every request while certificates, and then the authority, are replaced", async () => {
    await withPki(async (pki) => {
      // A change of leader for want of processor time would fail requests, and is not what is tested.
      const flags = ["--election-timeout=5000"];
      const cluster = await Cluster.start({ product: "quorate", members: 3, tls: pki, flags });
      try {
        const load = run(
          [
            tool("benchmark"),
            `--endpoints=${cluster.endpoints}`,
            ...pki.clientFlags,
            "--clients=50",
            "--conns=10",
            "put",
            "--rate=500",
            "--total=6000",
            "--val-size=64",
          ],
          { timeoutMs: 120_000 },
        );
        const shown = async (serial: bigint): Promise<void> => {
          for (const { name, clientUrl } of cluster.members) {
            await until(`${name} shows its new certificate`, 15_000, async () => {
              return (await pki.get(`${clientUrl}/version`)).serial === printed(serial);
            });
          }
          const words = [...pki.clientFlags, "endpoint", "health"];
          const health = await etcdctl(cluster.endpoints, ...words);
          assert.equal(health.code, 0, health.stderr);
        };
        pki.renew();
        await shown(pki.server.serial);
        const next = newAuthority("next root");
        pki.writeTrusted(`${pki.trusted}${next.certificate}`);
        // Shown with the bundle, so that all have read it before somebody shows what it vouches for.
        pki.renew();
        await shown(pki.server.serial);
        pki.authority = next;
        pki.renew();
        await shown(pki.server.serial);
        pki.writeTrusted(next.certificate);
        pki.renew();
        await shown(pki.server.serial);
        const { code, stdout, stderr } = await load;
        assert.equal(code, 0, stderr.slice(-500));
        assert.match(stdout, /Requests\/sec/);
        assert.doesNotMatch(stdout, /Error distribution/);
      } finally {
        await cluster.stop();
      }
    });
  });
});
