/**
 * The file `<boot-dir>/<name>.json` of an operator, read and checked. It may be replaced at any time, by a symbolic link above
 * it too: whoever wants to know reads it again.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootFence, BootFile, BootMode, BootTicket } from "../../src/api/boot.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { parseInitialCluster } from "../initial-cluster.ts";

/** Allows nothing to an empty disk, and fences nobody. */
export const NO_ORDERS: BootFile = { ticket: null, fence: null };

const MODES: readonly BootMode[] = ["bootstrap", "join", "forceNew"];
/** It becomes part of the name of a directory. */
const NONCE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ID = /^[0-9a-f]{1,16}$/;

export function bootFilePath(directory: string, name: string): string {
  return join(directory, `${name}.json`);
}

/** A file that is not there has no orders. Rejects with "configuration", naming file and field. */
export async function readBootFile(path: string): Promise<BootFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code === "ENOENT") return NO_ORDERS;
    throw new QuorateError("configuration", `${path} cannot be read (${code})`, error);
  }
  return parseBootFile(path, text);
}

/** Throws "configuration", naming file and field. Fields that nobody knows are those of a later release, and say nothing. */
export function parseBootFile(path: string, text: string): BootFile {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new QuorateError("configuration", `${path} is not JSON`, error);
  }
  const root = new Fields(path, "", document);
  const ticket = root.part("ticket");
  const fence = root.part("fence");
  return {
    ticket: ticket === null ? null : toTicket(ticket),
    fence: fence === null ? null : toFence(fence),
  };
}

function toTicket(fields: Fields): BootTicket {
  const mode = MODES.find((each) => each === fields.value("mode"));
  if (mode === undefined) return fields.refuse("mode", `must be one of ${MODES.join(", ")}`);
  const nonce = fields.text("nonce");
  if (!NONCE.test(nonce)) fields.refuse("nonce", "must be 1 to 64 letters, digits, '.', '_', '-'");
  const initialCluster = fields.text("initialCluster");
  if (initialCluster !== "") parseInitialCluster(fields.nameOf("initialCluster"), initialCluster);
  else if (mode !== "forceNew") fields.refuse("initialCluster", "must name the members");
  return {
    mode,
    nonce,
    incarnation: fields.count("incarnation"),
    clusterId: fields.id("clusterId"),
    initialCluster,
  };
}

function toFence(fields: Fields): BootFence {
  return {
    incarnation: fields.count("incarnation"),
    clusterId: fields.id("clusterId"),
    memberId: fields.id("memberId"),
  };
}

/** An object of the document; every refusal names the file and the field. */
class Fields {
  readonly #path: string;
  readonly #prefix: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(path: string, prefix: string, value: unknown) {
    this.#path = path;
    this.#prefix = prefix;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const what = prefix === "" ? path : `${path}: ${prefix}`;
      throw new QuorateError("configuration", `${what} must be an object`);
    }
    this.#values = value as Record<string, unknown>;
  }

  nameOf(field: string): string {
    return `${this.#path}: ${this.#prefix === "" ? field : `${this.#prefix}.${field}`}`;
  }

  refuse(field: string, what: string): never {
    throw new QuorateError("configuration", `${this.nameOf(field)} ${what}`);
  }

  /** Undefined where it is absent. */
  value(field: string): unknown {
    return this.#values[field];
  }

  /** Null where it is null or absent. */
  part(field: string): Fields | null {
    const value = this.value(field) ?? null;
    return value === null ? null : new Fields(this.#path, field, value);
  }

  text(field: string): string {
    const value = this.value(field);
    return typeof value === "string" ? value : this.refuse(field, "must be a text");
  }

  count(field: string): number {
    const value = this.value(field);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
    return this.refuse(field, "must be a whole number from 1 on");
  }

  id(field: string): string | null {
    const value = this.value(field) ?? null;
    if (value === null) return null;
    if (typeof value === "string" && ID.test(value)) return value;
    return this.refuse(field, "must be an id of 1 to 16 hexadecimal digits in lower case, or null");
  }
}
