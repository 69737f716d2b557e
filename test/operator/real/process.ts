/** The operator's process as it is installed, started beside a test. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../conformance/support/cluster.ts";
import { until } from "../../conformance/support/tools.ts";

const LAUNCHER = fileURLToPath(new URL("../../../node/bin/quorate-operator.js", import.meta.url));

export interface OperatorPlace {
  /** Of its pod. */
  readonly name: string;
  readonly namespace: string;
  readonly kubeconfig: string;
}

export class OperatorProcess {
  readonly child: ChildProcess;
  readonly #port: number;
  log = "";

  /** Resolves when it answers to probes. */
  static async start(place: OperatorPlace): Promise<OperatorProcess> {
    const [port = 0] = await freePorts(1);
    const made = new OperatorProcess(place, port);
    await until(`${place.name} answers`, 20_000, async () => {
      assert.equal(made.child.exitCode, null, made.log);
      return !Number.isNaN(await made.metric("quorate_operator_leader"));
    });
    return made;
  }

  private constructor({ name, namespace, kubeconfig }: OperatorPlace, port: number) {
    this.#port = port;
    const flags = [
      `--kubeconfig=${kubeconfig}`,
      `--metrics-port=${port}`,
      "--metrics-host=127.0.0.1",
    ];
    const env = { ...process.env, POD_NAME: name, POD_NAMESPACE: namespace };
    const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
    this.child = spawn(process.execPath, [LAUNCHER, ...flags], { env, stdio });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.log += text));
  }

  /** NaN where it does not answer, or has no such line. */
  async metric(line: string): Promise<number> {
    const text = await this.metrics();
    const found = text.split("\n").find((each) => each.startsWith(`${line} `));
    return found === undefined ? Number.NaN : Number(found.slice(line.length + 1));
  }

  /** Empty where it does not answer. */
  async metrics(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/metrics`).catch(() => null);
    return (await answer?.text()) ?? "";
  }

  /** HTTP status; 0 where it does not answer. */
  async ready(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`).catch(() => null);
    await answer?.text();
    return answer?.status ?? 0;
  }

  /** Its exit code and signal; nothing where it had ended. */
  async end(signal: NodeJS.Signals): Promise<unknown[]> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return [];
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    return await ended;
  }
}
