/** What transfers are tested in: three members over TLS with some 30 MiB, a server of S3, and places to restore to. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackupResult } from "../../../operator/backup/transfer/result.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Client } from "../../../src/client/client.ts";
import { Cluster, type Member } from "./cluster.ts";
import { S3Server } from "./s3.ts";
import { Pki } from "./tls.ts";
import {
  type Transferred,
  operatorTls,
  quorateArgument,
  s3Arguments,
  transfer,
} from "./transfer.ts";

export const VALUES = 480;
const VALUE_BYTES = 64 * 1024;
export const UID = "7d0f3a52-65d6-4a0c-9b0e-0f5b4a1c2d3e";

export class BackupWorld {
  readonly folder: string;
  readonly server: S3Server;
  readonly pki: Pki;
  readonly cluster: Cluster;
  readonly tlsDir: string;
  readonly client: Client;
  readonly s3: ReturnType<typeof s3Arguments>;

  static async open(): Promise<BackupWorld> {
    const folder = mkdtempSync(join(tmpdir(), "backup-"));
    const server = await S3Server.start();
    const pki = new Pki(join(folder, "pki"));
    const cluster = await Cluster.start({ product: "quorate", members: 3, tls: pki });
    const world = new BackupWorld(folder, server, pki, cluster);
    const prng = new Prng(1);
    for (let at = 0; at < VALUES; at++) {
      const words = Uint32Array.from({ length: VALUE_BYTES / 4 }, () => prng.bits());
      const value = new Uint8Array(words.buffer);
      await world.client.kv.put(`key/${at}`, value);
    }
    await world.client.kv.delete("key/7");
    return world;
  }

  private constructor(folder: string, server: S3Server, pki: Pki, cluster: Cluster) {
    this.folder = folder;
    this.server = server;
    this.pki = pki;
    this.cluster = cluster;
    this.s3 = s3Arguments(server.settings, join(folder, "s3-ca.crt"));
    this.tlsDir = operatorTls(pki, join(folder, "operator-tls"));
    this.client = this.connect(cluster.members);
  }

  async close(): Promise<void> {
    this.client.close();
    await this.cluster.stop();
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }

  connect(members: readonly Member[]): Client {
    const file = (name: string): { file: string } => ({ file: join(this.tlsDir, name) });
    return new Client({
      endpoints: members.map(({ clientUrl }) => clientUrl),
      tls: { ca: file("ca.crt"), cert: file("tls.crt"), key: file("tls.key") },
    });
  }

  backupArguments(name: string, changes: Readonly<Record<string, string>> = {}): string[] {
    const flags: Record<string, string> = {
      "backup-namespace": "data",
      "backup-name": name,
      "backup-uid": UID,
      cluster: "kv",
      endpoints: this.cluster.members.map(({ clientUrl }) => clientUrl).join(","),
      "tls-dir": this.tlsDir,
      path: "kv/",
      ...changes,
    };
    return ["backup", "--verify", ...Object.entries(flags).map(([k, v]) => `--${k}=${v}`)];
  }

  async backUp(name: string, changes?: Readonly<Record<string, string>>): Promise<BackupResult> {
    return succeeded(
      await transfer(
        [...this.backupArguments(name, changes), ...this.s3.args],
        this.s3.environment,
      ),
    );
  }

  /** A place for one member of its own, with ports of its own. */
  async prepare(): Promise<Cluster> {
    return await Cluster.prepare({ product: "quorate", members: 1, tls: this.pki });
  }

  restoreArguments(to: Member, key: string, nonce = "r-1"): string[] {
    return [
      "restore",
      `--key=${key}`,
      `--data-dir=${to.dataDir}`,
      `--nonce=${nonce}`,
      `--member=${to.name}`,
      `--initial-cluster=${to.name}=${to.peerUrl}`,
      `--initial-cluster-token=data/kv#${nonce}`,
      `--peer-urls=${to.peerUrl}`,
      quorateArgument(),
    ];
  }

  async hashes(members: readonly Member[]): Promise<readonly string[]> {
    const asked = this.connect(members);
    try {
      const { revision } = await asked.kv.range("\0", { countOnly: true });
      return await Promise.all(
        members.map(async ({ clientUrl: endpoint }) => {
          const { hash, compactRevision } = await asked.maintenance.hashKv({ endpoint, revision });
          return `${hash} at ${revision}, compacted at ${compactRevision}`;
        }),
      );
    } finally {
      asked.close();
    }
  }

  /** Of an object of a backup, in the bucket. */
  keyOf(name: string, file = "snapshot.db.gz"): string {
    return `kv/${name}-${UID}/${file}`;
  }

  /** The same, as the server keeps it. */
  pathOf(name: string, file?: string): string {
    return join(this.server.objects, this.keyOf(name, file));
  }
}

export function succeeded<T = BackupResult>({ code, result, log }: Transferred): T {
  assert.equal(code, 0, `${JSON.stringify(result)}\n${log}`);
  return result as T;
}

export function failure({ result, log }: Transferred): string {
  assert.ok(result?.kind === "failure", `${JSON.stringify(result)}\n${log}`);
  return result.reason;
}
