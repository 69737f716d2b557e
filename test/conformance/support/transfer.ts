/** `quorate-operator transfer` as a process, and what it is run against. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TransferResult, decodeResult } from "../../../operator/backup/transfer/result.ts";
import type { S3Settings } from "../../../operator/backup/s3.ts";
import { commandOf } from "./cluster.ts";
import { type Pki, issue } from "./tls.ts";

const MAIN = fileURLToPath(new URL("../../../operator/main.ts", import.meta.url));

export interface Transferred {
  /** Null: ended by a signal. */
  readonly code: number | null;
  /** From the file of the termination message; null: it ended without a word. */
  readonly result: TransferResult | null;
  readonly log: string;
}

export interface TransferRun {
  readonly done: Promise<Transferred>;
  /** Resolves once it has logged this. */
  logged(text: string): Promise<void>;
  /** To it and its children, as the end of a container's first process would be. */
  kill(signal: NodeJS.Signals): void;
}

/** Begins `transfer ARGS`. */
export function startTransfer(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): TransferRun {
  const folder = mkdtempSync(join(tmpdir(), "transfer-"));
  const resultFile = join(folder, "termination-log");
  const command = [MAIN, "transfer", ...args, `--result=${resultFile}`];
  const child = spawn(process.execPath, command, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, AWS_EC2_METADATA_DISABLED: "true", ...environment },
    detached: true,
  });
  let log = "";
  const heard = new Set<() => void>();
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
    for (const check of heard) check();
  });
  const done = new Promise<Transferred>((resolve) => {
    child.on("close", (code) => {
      let text = "";
      try {
        text = readFileSync(resultFile, "utf8");
      } catch {
        // Killed before it could say anything.
      }
      rmSync(folder, { recursive: true, force: true });
      resolve({ code, result: decodeResult(text), log });
    });
  });
  const logged = (wanted: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (log.includes(wanted)) resolve();
      };
      heard.add(check);
      check();
      void done.then(() => reject(new Error(`it ended without logging ${wanted}:\n${log}`)));
    });
  const kill = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
  };
  return { done, logged, kill };
}

export async function transfer(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Transferred> {
  return await startTransfer(args, environment).done;
}

/** Flags and environment for a bucket, as the builder of Jobs gives them. */
export function s3Arguments(
  settings: S3Settings,
  caFile: string,
): { readonly args: readonly string[]; readonly environment: Readonly<Record<string, string>> } {
  writeFileSync(caFile, settings.ca ?? "");
  return {
    args: [
      "--store=s3",
      `--s3-bucket=${settings.bucket}`,
      `--s3-endpoint=${settings.endpoint ?? ""}`,
      "--s3-path-style",
      `--s3-ca-file=${caFile}`,
    ],
    environment: {
      AWS_ACCESS_KEY_ID: settings.credentials?.accessKeyId ?? "",
      AWS_SECRET_ACCESS_KEY: settings.credentials?.secretAccessKey ?? "",
    },
  };
}

/** A folder as the Secret of the operator's own certificate is mounted: CN root. */
export function operatorTls(pki: Pki, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const pair = issue(pki.authority, { commonName: "root", uses: ["client"] });
  writeFileSync(join(folder, "tls.crt"), pair.certificate);
  writeFileSync(join(folder, "tls.key"), pair.key);
  writeFileSync(join(folder, "ca.crt"), pki.trusted);
  return folder;
}

/** The program of the members, for restores. */
export function quorateArgument(): string {
  return `--quorate=${commandOf("quorate").join(" ")}`;
}
