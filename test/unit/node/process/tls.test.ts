/** Members that speak TLS with clients and with each other, and go on while every certificate is replaced. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";

import { MemberClient } from "../../../conformance/support/client.ts";
import { Cluster, commandOf, type Member } from "../../../conformance/support/cluster.ts";
import { newAuthority, Pki, printed } from "../../../conformance/support/tls.ts";
import { until } from "../../../conformance/support/tools.ts";

/** No election for want of processor time: a change of leader fails requests, and is not what is tested. */
const CALM: readonly string[] = ["--election-timeout=5000"];

/** Puts one after the other, over connections that stay and over new ones; every failure is kept. */
class Load {
  readonly failures: string[] = [];
  puts = 0;
  handshakes = 0;
  readonly #loops: Promise<void>[];
  #stopped = false;

  constructor(cluster: Cluster, pki: Pki) {
    this.#loops = cluster.members.flatMap((member) => [
      this.#keepPutting(member, pki),
      this.#keepConnecting(member, pki),
    ]);
  }

  async #keepPutting(member: Member, pki: Pki): Promise<void> {
    const client = new MemberClient(member.endpoint, pki.channel());
    for (let at = 0; !this.#stopped; at++) {
      await this.#attempt(async () => {
        await client.call("KV/Put", {
          key: Buffer.from(`${member.name}-${at}`),
          value: Buffer.from("v"),
        });
        this.puts++;
      });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    client.close();
  }

  async #keepConnecting(member: Member, pki: Pki): Promise<void> {
    while (!this.#stopped) {
      await this.#attempt(async () => {
        const { body } = await pki.get(`${member.clientUrl}/health?serializable=true`);
        assert.match(body, /"health":"true"/);
        this.handshakes++;
      });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #attempt(body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.failures.push(String(error));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }
}

/** Until new handshakes with every member show the serial of `pki.server`. */
async function awaitSerial(cluster: Cluster, pki: Pki): Promise<void> {
  for (const member of cluster.members) {
    await until(`${member.name} shows its new certificate`, 10_000, async () => {
      const { serial } = await pki.get(`${member.clientUrl}/version`);
      return serial === printed(pki.server.serial);
    });
  }
}

/** Until each member has taken over changed files of the client and the peer side so often. */
async function awaitReloads(cluster: Cluster, pki: Pki, atLeast: number): Promise<void> {
  for (const member of cluster.members) {
    await until(`${member.name} has read its files ${atLeast} times`, 10_000, async () => {
      const { body } = await pki.get(`${member.clientUrl}/metrics`);
      const counts = [...body.matchAll(/^quorate_tls_reloads_total\{side="\w+"\} (\d+)$/gm)];
      return counts.length === 2 && counts.every((match) => Number(match[1]) >= atLeast);
    });
  }
}

describe("a member that is given a wrong certificate", () => {
  it("ends at once with code 2 and one line that names the file and the reason, and writes nothing", () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-tls-"));
    try {
      const pki = new Pki(folder);
      const dataDir = join(folder, "data");
      const [program = "", ...first] = commandOf("quorate");
      const { status, stderr } = spawnSync(
        program,
        [
          ...first,
          `--data-dir=${dataDir}`,
          "--listen-client-urls=https://127.0.0.1:1",
          "--advertise-client-urls=https://127.0.0.1:1",
          `--cert-file=${pki.path("server.pem")}`,
          `--key-file=${pki.path("peer.key")}`,
        ],
        { encoding: "utf8", timeout: 20_000, cwd: folder },
      );
      assert.equal(status, 2);
      const lines = stderr.split("\n").filter((line) => line.startsWith("quorate: "));
      const [line = ""] = lines;
      assert.equal(lines.length, 1);
      assert.match(
        line,
        /--key-file=\S+peer.key does not belong to the certificate in \S+server.pem/,
      );
      assert.ok(!existsSync(dataDir));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("three members with mutual TLS", () => {
  it("serve on without one failed request while all certificates, and then the authority, are replaced", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-tls-"));
    const pki = new Pki(folder);
    const cluster = await Cluster.start({ product: "quorate", members: 3, flags: CALM, tls: pki });
    let keep = true;
    try {
      const load = new Load(cluster, pki);
      const { puts } = load;
      // The authority stays.
      pki.renew();
      await awaitSerial(cluster, pki);
      await awaitReloads(cluster, pki, 1);
      // Another authority, by way of a bundle that trusts both.
      const next = newAuthority("next root");
      const trustedBefore = pki.trusted;
      pki.writeTrusted(`${trustedBefore}${next.certificate}`);
      await awaitReloads(cluster, pki, 2);
      pki.authority = next;
      pki.renew();
      await awaitSerial(cluster, pki);
      await awaitReloads(cluster, pki, 3);
      pki.writeTrusted(next.certificate);
      await awaitReloads(cluster, pki, 4);
      await until("the load goes on", 10_000, () => load.puts > puts + 20);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.ok(load.handshakes > 20, `${load.handshakes} handshakes`);
      // Links are opened anew with what the files say now: the old authority is trusted by nobody.
      const member = cluster.member(0);
      await member.stop("SIGTERM");
      cluster.restart(member);
      await member.awaitHealthy();
      const client = new MemberClient(member.endpoint, pki.channel());
      await client.call("KV/Put", { key: Buffer.from("after"), value: Buffer.from("v") });
      client.close();
      keep = false;
    } finally {
      await cluster.stop({ keep });
      if (!keep) rmSync(folder, { recursive: true });
    }
  });
});
