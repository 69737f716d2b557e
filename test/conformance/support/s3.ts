/** A server of S3 over a directory: versitygw, built by `test/cluster/build s3`. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { S3Settings } from "../../../operator/backup/s3.ts";
import { freePorts } from "./cluster.ts";
import { Pki } from "./tls.ts";
import { tool, until } from "./tools.ts";

const BUCKET = "backups";
const KEYS = { accessKeyId: "test-access", secretAccessKey: "test-secret", sessionToken: null };

export class S3Server {
  readonly settings: S3Settings;
  /** Objects of the bucket, as files. */
  readonly objects: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  /** Over TLS by an authority of its own, with an empty bucket. */
  static async start(): Promise<S3Server> {
    const [port = 0] = await freePorts(1);
    const server = new S3Server(port);
    await until("the server of S3 answers", 15_000, () => server.#answers());
    return server;
  }

  private constructor(port: number) {
    this.#folder = mkdtempSync(join(tmpdir(), "s3-"));
    const data = join(this.#folder, "data");
    const metadata = join(this.#folder, "metadata");
    this.objects = join(data, BUCKET);
    mkdirSync(this.objects, { recursive: true });
    mkdirSync(metadata);
    const pki = new Pki(join(this.#folder, "tls"));
    const flags = [
      `--access=${KEYS.accessKeyId}`,
      `--secret=${KEYS.secretAccessKey}`,
      `--port=127.0.0.1:${port}`,
      `--cert=${pki.path("server.pem")}`,
      `--key=${pki.path("server.key")}`,
      "--keep-alive",
      "--quiet",
    ];
    this.settings = {
      bucket: BUCKET,
      region: null,
      endpoint: `https://127.0.0.1:${port}`,
      forcePathStyle: true,
      checksums: "WhenRequired",
      ca: pki.trusted,
      credentials: KEYS,
    };
    // Not every file system that tests run on has the attributes that the server would like to use.
    this.#child = spawn(tool("versitygw"), [...flags, "posix", "--sidecar", metadata, data], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  async #answers(): Promise<boolean> {
    if (this.#child.exitCode !== null) throw new Error("the server of S3 ended early");
    const { openS3 } = await import("../../../operator/backup/s3.ts");
    const limits = { connectMs: 500, idleMs: 2_000, attempts: 1 };
    const store = await openS3(this.settings, limits);
    try {
      await store.probe(AbortSignal.timeout(2_000));
      return true;
    } catch {
      return false;
    } finally {
      store.close();
    }
  }

  /** Stops answering, without a word to those connected. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGKILL");
    await gone;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
