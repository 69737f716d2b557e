/** Members as an operator runs them: boot files in a volume that is swapped as Kubernetes does it, probes on a port apart. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { BootFile, BootPhase, BootReport, BootTicket } from "../../../../src/api/boot.ts";
import { commandOf, freePorts, Member } from "../../../conformance/support/cluster.ts";
import type { Fields } from "../../../conformance/support/client.ts";
import { until } from "../../../conformance/support/tools.ts";
import { QUICK, withClient } from "./support.ts";

export class BootCell {
  readonly folder: string;
  readonly members: readonly Member[];
  readonly #bootDir: string;
  readonly #probes: readonly string[];
  readonly #files = new Map<string, string>();
  readonly #linked = new Set<string>();
  #swaps = 0;

  private constructor(count: number, ports: readonly number[]) {
    this.folder = mkdtempSync(join(tmpdir(), "quorate-boot-"));
    this.#bootDir = join(this.folder, "boot");
    mkdirSync(this.#bootDir);
    this.members = Array.from({ length: count }, (_, at) => {
      const own = ports.slice(3 * at, 3 * at + 2);
      return new Member(`m${at}`, this.folder, own, commandOf("quorate"));
    });
    this.#probes = this.members.map((_, at) => `http://127.0.0.1:${ports[3 * at + 2]}`);
  }

  /** For the time of `body`; data and logs are kept when it throws. */
  static async with(count: number, body: (cell: BootCell) => Promise<void>): Promise<void> {
    const cell = new BootCell(count, await freePorts(3 * count));
    let keep = true;
    try {
      await body(cell);
      keep = false;
    } finally {
      await Promise.all(cell.members.map((member) => member.stop("SIGKILL")));
      if (keep) console.error(`data and logs are kept in ${cell.folder}`);
      else rmSync(cell.folder, { recursive: true, force: true });
    }
  }

  member(at: number): Member {
    const member = this.members[at];
    if (member === undefined) throw new Error(`no member ${at}`);
    return member;
  }

  start(at: number, ...flags: readonly string[]): void {
    const own = [`--boot-dir=${this.#bootDir}`, `--listen-metrics-urls=${this.#probes[at]}`];
    this.member(at).start(null, "new", [...QUICK, ...own, ...flags]);
  }

  /** Puts a boot file in place of the one before: a new folder, and one link that moves to it. */
  write(at: number, file: BootFile | string): void {
    const { name } = this.member(at);
    this.#files.set(name, typeof file === "string" ? file : JSON.stringify(file));
    const folder = `..${++this.#swaps}`;
    mkdirSync(join(this.#bootDir, folder));
    for (const [each, text] of this.#files) {
      writeFileSync(join(this.#bootDir, folder, `${each}.json`), text);
    }
    if (!this.#linked.has(name)) {
      symlinkSync(join("..data", `${name}.json`), join(this.#bootDir, `${name}.json`));
      this.#linked.add(name);
    }
    symlinkSync(folder, join(this.#bootDir, "..data_tmp"));
    renameSync(join(this.#bootDir, "..data_tmp"), join(this.#bootDir, "..data"));
  }

  /** Where the member's probes listen. */
  probe(at: number): string {
    const url = this.#probes[at];
    if (url === undefined) throw new Error(`no member ${at}`);
    return url;
  }

  /** `name=peer-url` of these members. */
  cluster(...places: readonly number[]): string {
    return places
      .map((at) => this.member(at))
      .map(({ name, peerUrl }) => `${name}=${peerUrl}`)
      .join(",");
  }

  async get(at: number, path: string): Promise<{ readonly status: number; readonly body: string }> {
    const response = await fetch(`${this.#probes[at]}${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return { status: response.status, body: await response.text() };
  }

  /** Null while the process does not listen. */
  async report(at: number): Promise<BootReport | null> {
    try {
      return JSON.parse((await this.get(at, "/boot")).body) as BootReport;
    } catch {
      return null;
    }
  }

  /** The report once it says so. */
  async awaitReport(
    at: number,
    what: string,
    holds: (report: BootReport) => boolean,
  ): Promise<BootReport> {
    let last: BootReport | null = null;
    try {
      await until(`m${at} ${what}`, 30_000, async () => {
        last = await this.report(at);
        return last !== null && holds(last);
      });
    } catch (error) {
      throw new Error(`${String(error)}; its last report: ${JSON.stringify(last)}`, {
        cause: error,
      });
    }
    if (last === null) throw new Error("a report was seen");
    return last;
  }

  async awaitPhase(at: number, phase: BootPhase): Promise<BootReport> {
    return await this.awaitReport(at, `is ${phase}`, (report) => report.phase === phase);
  }

  async awaitReady(at: number): Promise<void> {
    await until(`m${at} is ready`, 30_000, async () => {
      return (await this.get(at, "/ready").catch(() => null))?.status === 200;
    });
  }

  /** Member 0 begins a cluster of one. */
  async seed(nonce = "seed-1"): Promise<BootReport> {
    this.write(0, { ticket: ticket("bootstrap", nonce, this.cluster(0)), fence: null });
    this.start(0);
    await this.awaitReady(0);
    return await this.awaitPhase(0, "Running");
  }
}

/** Of the first incarnation. */
export function ticket(
  mode: BootTicket["mode"],
  nonce: string,
  initialCluster: string,
  more: Partial<BootTicket> = {},
): BootTicket {
  return { mode, nonce, initialCluster, incarnation: 1, clusterId: null, ...more };
}

/** Names the place of member `at` in the cluster of member 0, once those before it count; its id in hexadecimal. */
export async function addMember(
  cell: BootCell,
  at: number,
  more: { readonly isLearner?: boolean } = {},
): Promise<string> {
  let id = "";
  await until(`the cluster takes m${at}`, 15_000, async () => {
    const answer = await withClient(cell.member(0), (client) =>
      client.call("Cluster/MemberAdd", { peerURLs: [cell.member(at).peerUrl], ...more }, 10_000),
    ).catch((error: unknown) => {
      // Nor while the leader has not heard each of them for a while without a break, which a busy machine makes.
      if (/not enough started members|unhealthy cluster/.test(String(error))) return null;
      throw error;
    });
    if (answer !== null) id = BigInt(String((answer["member"] as Fields)["ID"])).toString(16);
    return answer !== null;
  });
  return id;
}

/** A cluster of `count` voters, each of which joined by its ticket. */
export async function grow(cell: BootCell, count: number): Promise<BootReport> {
  const seed = await cell.seed();
  for (let at = 1; at < count; at++) {
    const places = Array.from({ length: at + 1 }, (_, each) => each);
    const join = ticket("join", `join-${at}`, cell.cluster(...places), {
      clusterId: seed.clusterId,
    });
    cell.write(at, { ticket: join, fence: null });
    await addMember(cell, at);
    cell.start(at);
    await cell.awaitReady(at);
  }
  return seed;
}
