/** Real members that are started anew with TLS, without, or with both, on the same ports and disks. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../../../src/client/client.ts";
import { Cluster, type Member } from "../../../conformance/support/cluster.ts";
import { Pki } from "../../../conformance/support/tls.ts";
import { until } from "../../../conformance/support/tools.ts";

/** No election for want of processor time; a leader that is stopped hands over. */
const CALM: readonly string[] = ["--election-timeout=3000", "--heartbeat-interval=100"];
/** What members listen with: `both` is TLS that takes plaintext too. */
export type Phase = "plaintext" | "both" | "tls";

export const secured = (url: string): string => url.replace("http://", "https://");

/** Members of one cluster, each in the phase that it was started in last. */
export class Movers {
  readonly cluster: Cluster;
  readonly #pki: Pki;
  readonly #clients: Client[] = [];

  constructor(cluster: Cluster, pki: Pki) {
    this.cluster = cluster;
    this.#pki = pki;
  }

  /** Every client that was made, so that a test that fails ends. */
  close(): void {
    for (const client of this.#clients) client.close();
  }

  get urls(): string[] {
    return this.cluster.members.map(({ clientUrl }) => clientUrl);
  }

  /** A client for these URLs; its certificate is for those with TLS. */
  client(urls: readonly string[]): Client {
    const { certificate: cert, key } = this.#pki.client;
    const tls = { ca: this.#pki.trusted, cert, key };
    const client = new Client({ endpoints: urls, tls });
    this.#clients.push(client);
    return client;
  }

  /** On an empty disk `initialCluster` is who it begins with, or whom it joins. */
  start(
    member: Member,
    phase: Phase,
    advertised: "http" | "https",
    [initialCluster, state]: [string, "new" | "existing"] = [this.cluster.initialCluster, "new"],
  ): void {
    const { clientUrl, peerUrl } = member;
    const both = phase === "both" ? ["--client-allow-plaintext", "--peer-allow-plaintext"] : [];
    // The last of a flag counts.
    const moved = [
      `--listen-client-urls=${secured(clientUrl)}`,
      `--advertise-client-urls=${advertised === "https" ? secured(clientUrl) : clientUrl}`,
      `--listen-peer-urls=${secured(peerUrl)}`,
      ...this.#pki.flags,
      ...both,
    ];
    member.start(initialCluster, state, phase === "plaintext" ? CALM : [...CALM, ...moved]);
  }

  /** One after the other, each once the one before serves and follows. */
  async restartAll(phase: Phase, advertised: "http" | "https"): Promise<void> {
    for (const member of this.cluster.members) {
      await member.stop("SIGTERM");
      this.start(member, phase, advertised);
      await this.awaitServing(member, phase);
    }
  }

  async awaitServing(member: Member, phase: Phase): Promise<void> {
    const url = phase === "plaintext" ? member.clientUrl : secured(member.clientUrl);
    const client = this.client([url]);
    try {
      await client.kv.get("any", { timeoutMs: 20_000 });
    } finally {
      client.close();
    }
  }

  /** As an operator of the cluster would with `member update`. */
  async movePeerUrls(client: Client, scheme: "http:" | "https:"): Promise<void> {
    for (const { id, peerUrls } of await client.cluster.list()) {
      await client.cluster.update(
        id,
        peerUrls.map((url) => url.replace(/^https?:/, scheme)),
      );
    }
  }

  /** Open connections without TLS from other members to this one, by its own count. */
  async plaintextLinks({ clientUrl }: Member): Promise<number> {
    const { body } = await this.#pki.get(`${secured(clientUrl)}/metrics`);
    const [, count] = /^quorate_tls_plaintext_connections\{side="peer"\} (\d+)$/m.exec(body) ?? [];
    return Number(count);
  }

  /** Until none, or at least as many as that, come to each member without TLS. */
  async awaitPlaintextLinks(each: number): Promise<void> {
    for (const member of this.cluster.members) {
      await until(`${each} links to ${member.name} without TLS`, 10_000, async () => {
        const count = await this.plaintextLinks(member);
        return each === 0 ? count === 0 : count >= each;
      });
    }
  }
}

/** Members that are prepared and not started, for the time of `body`. */
export async function withMovers(
  members: number,
  body: (movers: Movers) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "quorate-move-"));
  const cluster = await Cluster.prepare({ product: "quorate", members });
  const movers = new Movers(cluster, new Pki(folder));
  let keep = true;
  try {
    await body(movers);
    keep = false;
  } finally {
    movers.close();
    await cluster.stop({ keep });
    if (!keep) rmSync(folder, { recursive: true });
  }
}
