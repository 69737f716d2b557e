/**
 * A server of S3 in the test's own process group, which pods reach at QUORATE_E2E_HOST: an address of this machine that the
 * cluster routes to. Without it the tests that need a store are not run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../conformance/support/cluster.ts";
import { tool, until } from "../../conformance/support/tools.ts";

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

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
