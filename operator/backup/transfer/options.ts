/** The command line of a transfer. The builders of Jobs (`../job.ts`) write it, so names and meanings are theirs too. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ClaimStore } from "../claim.ts";
import { type S3Settings, openS3 } from "../s3.ts";
import type { ObjectStore } from "../store.ts";
import { TransferError } from "./result.ts";

const TEXTS = [
  // Every transfer.
  "result",
  "deadline-seconds",
  "store",
  "claim-root",
  "s3-bucket",
  "s3-region",
  "s3-endpoint",
  "s3-checksums",
  "s3-ca-file",
  // backup, delete
  "path",
  "backup-namespace",
  "backup-name",
  "backup-uid",
  "cluster",
  "server-version",
  "endpoints",
  "tls-dir",
  "root-passwords",
  "source",
  "compression",
  // restore, verify
  "key",
  "sha256",
  "data-dir",
  "nonce",
  "member",
  "initial-cluster",
  "initial-cluster-token",
  "peer-urls",
  "bump-revision",
  "incarnation",
  "quorate",
] as const;
const FLAGS = ["s3-path-style", "verify", "in-place"] as const;

export type TextName = (typeof TEXTS)[number];
export type FlagName = (typeof FLAGS)[number];

/** Throws "Misconfigured" for what is missing or unknown. */
export class TransferOptions {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #flags: ReadonlySet<string>;

  constructor(args: readonly string[]) {
    const options = Object.fromEntries([
      ...TEXTS.map((name) => [name, { type: "string" as const }]),
      ...FLAGS.map((name) => [name, { type: "boolean" as const }]),
    ]) as Record<string, { type: "string" | "boolean" }>;
    try {
      const { values } = parseArgs({ args: [...args], options, strict: true });
      const given = Object.entries(values);
      this.#texts = new Map(given.flatMap(([k, v]) => (typeof v === "string" ? [[k, v]] : [])));
      this.#flags = new Set(given.flatMap(([name, value]) => (value === true ? [name] : [])));
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new TransferError("Misconfigured", reason, thrown);
    }
  }

  has(name: FlagName): boolean {
    return this.#flags.has(name);
  }

  /** Null where it is absent or empty. */
  text(name: TextName): string | null {
    const value = this.#texts.get(name) ?? "";
    return value === "" ? null : value;
  }

  required(name: TextName): string {
    return this.text(name) ?? refuse(`--${name} is missing`);
  }

  /** A whole number from 0 on. */
  count(name: TextName, fallback: number): number {
    const text = this.text(name);
    if (text === null) return fallback;
    const count = Number(text);
    return /^\d+$/.test(text) && Number.isSafeInteger(count)
      ? count
      : refuse(`--${name}=${text} is no whole number`);
  }

  choice<const T extends string>(name: TextName, values: readonly T[], fallback: T): T {
    const text = this.text(name) ?? fallback;
    const found = values.find((value) => value === text);
    return found ?? refuse(`--${name}=${text} is none of ${values.join(", ")}`);
  }
}

function refuse(reason: string): never {
  throw new TransferError("Misconfigured", reason);
}

/** Credentials come from the SDK's chain: its environment variables, or what the pod's ServiceAccount brings. */
export async function openStore(options: TransferOptions): Promise<ObjectStore> {
  const kind = options.choice("store", ["s3", "claim"], "s3");
  if (kind === "claim") return new ClaimStore(options.required("claim-root"));
  const caFile = options.text("s3-ca-file");
  const settings: S3Settings = {
    bucket: options.required("s3-bucket"),
    region: options.text("s3-region"),
    endpoint: options.text("s3-endpoint"),
    forcePathStyle: options.has("s3-path-style"),
    checksums: options.choice("s3-checksums", ["WhenRequired", "WhenSupported"], "WhenRequired"),
    ca: caFile === null ? null : readFileSync(caFile, "utf8"),
    credentials: null,
  };
  return await openS3(settings);
}
