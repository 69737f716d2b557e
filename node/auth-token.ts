/** `--auth-token`: how a user who said their password is known afterwards. */
import { readFileSync } from "node:fs";
import { JWT_METHODS, JwtTokens } from "../src/auth/jwt.ts";
import { QuorateError } from "../src/base/errors.ts";
import { parseDuration } from "./duration.ts";
import { refuse, type Reader } from "./reader.ts";

const TTL_DEFAULT_SECONDS = 300;
const JWT_TTL_DEFAULT_MS = 5 * 60_000;
const COST_MIN = 4;
const COST_MAX = 31;

export type AuthTokenOptions =
  | { readonly kind: "simple"; readonly ttlMs: number }
  | {
      readonly kind: "jwt";
      readonly method: string;
      /** Paths. */
      readonly publicKey: string | null;
      readonly privateKey: string | null;
      readonly ttlMs: number;
    };

export interface AuthConfig {
  readonly authToken: AuthTokenOptions;
  readonly bcryptCost: number;
  /** A verified client certificate names its user. */
  readonly clientCertAuth: boolean;
}

/** Files are not looked at; see `openTokens`. */
export function readAuth(read: Reader): AuthConfig {
  const bcryptCost = read.integer("bcrypt-cost");
  if (bcryptCost < COST_MIN || bcryptCost > COST_MAX) {
    refuse(`--bcrypt-cost=${bcryptCost} must be between ${COST_MIN} and ${COST_MAX}`);
  }
  const ttl = read.atLeast("auth-token-ttl", 0);
  const ttlMs = 1000 * (ttl === 0 ? TTL_DEFAULT_SECONDS : ttl);
  return {
    authToken: parseAuthToken(read.text("auth-token"), ttlMs),
    bcryptCost,
    clientCertAuth: read.flag("client-cert-auth"),
  };
}

function parseAuthToken(text: string, ttlMs: number): AuthTokenOptions {
  const [kind, ...rest] = text.split(",");
  const options = new Map<string, string>();
  for (const option of rest) {
    const [name = "", value, ...more] = option.split("=");
    if (value === undefined || more.length > 0 || options.has(name)) {
      refuse(`--auth-token: '${option}' must be written name=value, each name once`);
    }
    options.set(name, value);
  }
  if (kind === "simple") {
    if (options.size > 0) refuse("--auth-token=simple takes no options: use --auth-token-ttl");
    return { kind, ttlMs };
  }
  if (kind !== "jwt") refuse(`--auth-token=${text} must be simple, or jwt with its options`);
  return { kind: "jwt", ...jwtOptions(options) };
}

function jwtOptions(
  options: ReadonlyMap<string, string>,
): Omit<Extract<AuthTokenOptions, { kind: "jwt" }>, "kind"> {
  const known = ["sign-method", "pub-key", "priv-key", "ttl"];
  for (const name of options.keys()) {
    if (!known.includes(name)) refuse(`--auth-token: '${name}' must be one of ${known.join(", ")}`);
  }
  const method = options.get("sign-method") ?? "";
  if (!JWT_METHODS.includes(method)) {
    refuse(`--auth-token: sign-method=${method} must be one of ${JWT_METHODS.join(", ")}`);
  }
  const ttl = options.get("ttl") ?? "";
  const ttlMs = ttl === "" ? JWT_TTL_DEFAULT_MS : parseDuration(ttl);
  if (ttlMs === null || ttlMs <= 0) {
    refuse(`--auth-token: ttl=${ttl} must be a duration such as 5m`);
  }
  const path = (name: string): string | null => options.get(name) || null;
  return { method, publicKey: path("pub-key"), privateKey: path("priv-key"), ttlMs };
}

/** How tokens are made and judged, with the keys at hand. */
export type TokenScheme =
  | { readonly kind: "simple"; readonly ttlMs: number }
  | { readonly kind: "jwt"; readonly jwt: JwtTokens };

/** Throws QuorateError "configuration" where a key cannot be read or does not fit. */
export function openTokens(options: AuthTokenOptions): TokenScheme {
  if (options.kind === "simple") return options;
  const { method, ttlMs } = options;
  const publicKey = readKey("pub-key", options.publicKey);
  const privateKey = readKey("priv-key", options.privateKey);
  try {
    return { kind: "jwt", jwt: new JwtTokens({ method, ttlMs, publicKey, privateKey }) };
  } catch (error) {
    const reason = QuorateError.from(error).message;
    throw new QuorateError("configuration", `--auth-token: ${reason}`, error);
  }
}

function readKey(name: string, path: string | null): Uint8Array | null {
  if (path === null) return null;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new QuorateError(
      "configuration",
      `--auth-token: the file of ${name}, ${path}, cannot be read: check its path and permissions`,
      error,
    );
  }
}
