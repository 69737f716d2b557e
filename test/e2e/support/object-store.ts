/**
 * A server of S3 in the test's own process group, which pods reach at QUORATE_E2E_HOST: an address of this machine that the
 * cluster routes to. Without it the tests that need a store are not run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { QUORATE_BACKUP_STORE, SECRET } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { freePorts } from "../../conformance/support/cluster.ts";
import { tool, until } from "../../conformance/support/tools.ts";
import { api } from "./api.ts";

const HOST = process.env["QUORATE_E2E_HOST"];
/** Why the tests that need a store do not run; false where they do. */
export const NO_S3: string | false =
  HOST === undefined ? "QUORATE_E2E_HOST names no address of this machine that pods reach" : false;
const KEYS = { AWS_ACCESS_KEY_ID: "e2e-access", AWS_SECRET_ACCESS_KEY: "e2e-secret" };

export class ObjectStore {
  readonly bucket = "backups";
  readonly credentials: Readonly<Record<string, string>> = KEYS;
  readonly endpoint: string;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "e2e-s3-"));
  readonly #child: ChildProcess;

  static async start(): Promise<ObjectStore> {
    const [port = 0] = await freePorts(1);
    const store = new ObjectStore(port);
    await until("the server of S3 answers", 15_000, () => store.#answers(port));
    return store;
  }

  private constructor(port: number) {
    const data = join(this.#folder, "data");
    const metadata = join(this.#folder, "metadata");
    mkdirSync(join(data, this.bucket), { recursive: true });
    mkdirSync(metadata);
    this.endpoint = `http://${HOST}:${port}`;
    const flags = [
      `--access=${KEYS.AWS_ACCESS_KEY_ID}`,
      `--secret=${KEYS.AWS_SECRET_ACCESS_KEY}`,
      `--port=${HOST}:${port}`,
      "--keep-alive",
      "--quiet",
    ];
    this.#child = spawn(tool("versitygw"), [...flags, "posix", "--sidecar", metadata, data], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  async #answers(port: number): Promise<boolean> {
    const socket = connect(port, HOST);
    try {
      await once(socket, "connect");
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }

  /** Makes the QuorateBackupStore `s3` in a namespace, with its Secret. */
  async register(namespace: string): Promise<void> {
    await api.create<KubeObject & { stringData: object }>(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s3", namespace },
      stringData: this.credentials,
    });
    await api.create<KubeObject & { spec: object }>(QUORATE_BACKUP_STORE, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateBackupStore",
      metadata: { name: "s3", namespace },
      spec: {
        s3: {
          bucket: this.bucket,
          endpoint: this.endpoint,
          forcePathStyle: true,
          credentialsSecretRef: { name: "s3" },
        },
      },
    });
  }

  /** All objects of the bucket, as they lie in the server's own folder, sorted. */
  keys(): string[] {
    const root = this.#pathOf("");
    const entries = readdirSync(root, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
      .toSorted();
  }

  /** An object that is somebody else's. */
  put(key: string, text: string): void {
    mkdirSync(dirname(this.#pathOf(key)), { recursive: true });
    writeFileSync(this.#pathOf(key), text);
  }

  /** One bit in the middle of an object turns over, as on a disk that decays. */
  decay(key: string): void {
    const bytes = readFileSync(this.#pathOf(key));
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(this.#pathOf(key), bytes);
  }

  #pathOf(key: string): string {
    return join(this.#folder, "data", this.bucket, "/", key);
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
