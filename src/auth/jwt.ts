/**
 * JSON Web Tokens (RFC 7519, compact form of RFC 7515) with the claims etcd uses: `username`, `revision`, `exp`. Nothing is
 * kept: whoever has the key can tell whose token it is.
 */
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from "node:crypto";
import { QuorateError } from "../base/errors.ts";

type Family = "RS" | "PS" | "ES" | "HS" | "EdDSA";

interface Method {
  readonly family: Family;
  /** Of node:crypto. */
  readonly digest: string;
  /** OpenSSL's name of the curve that an ES method is for. */
  readonly curve: string;
}

function method(family: Family, digest: string, curve = ""): Method {
  return { family, digest, curve };
}

/** By their names in the header of a token (RFC 7518, RFC 8037). */
const METHODS: ReadonlyMap<string, Method> = new Map([
  ["RS256", method("RS", "sha256")],
  ["RS384", method("RS", "sha384")],
  ["RS512", method("RS", "sha512")],
  ["PS256", method("PS", "sha256")],
  ["PS384", method("PS", "sha384")],
  ["PS512", method("PS", "sha512")],
  ["ES256", method("ES", "sha256", "prime256v1")],
  ["ES384", method("ES", "sha384", "secp384r1")],
  ["ES512", method("ES", "sha512", "secp521r1")],
  ["HS256", method("HS", "sha256")],
  ["HS384", method("HS", "sha384")],
  ["HS512", method("HS", "sha512")],
  ["EdDSA", method("EdDSA", "")],
]);

export const JWT_METHODS: readonly string[] = [...METHODS.keys()];

const KEY_TYPES: Readonly<Record<Exclude<Family, "HS">, readonly string[]>> = {
  RS: ["rsa"],
  PS: ["rsa", "rsa-pss"],
  ES: ["ec"],
  EdDSA: ["ed25519"],
};

export interface JwtOptions {
  /** One of JWT_METHODS. */
  readonly method: string;
  /** PEM; null if not given. */
  readonly publicKey: Uint8Array | null;
  /** PEM, or for an HS method the secret itself; null: tokens are judged, not made. */
  readonly privateKey: Uint8Array | null;
  readonly ttlMs: number;
}

export interface JwtClaims {
  readonly user: string;
  readonly revision: number;
}

type Body = Readonly<Record<string, unknown>>;

/** Tokens whose signature need not be looked at again. */
const JUDGED_MAX = 1_000;

interface Keys {
  readonly secret: Uint8Array | null;
  readonly signing: KeyObject | null;
  readonly judging: KeyObject | null;
}

export class JwtTokens {
  readonly #name: string;
  readonly #method: Method;
  readonly #keys: Keys;
  readonly #ttlMs: number;
  /** By token. */
  readonly #judged = new Map<string, Body>();

  /** Throws QuorateError "configuration" where method and keys do not fit; the text names no byte of a key. */
  constructor(options: JwtOptions) {
    const found = METHODS.get(options.method);
    if (found === undefined) {
      throw unfit(`sign-method must be one of ${JWT_METHODS.join(", ")}`);
    }
    this.#name = options.method;
    this.#method = found;
    this.#ttlMs = options.ttlMs;
    this.#keys = readKeys(options, found);
  }

  /** False: the key is a public one, tokens come from elsewhere. */
  get canSign(): boolean {
    return this.#keys.secret !== null || this.#keys.signing !== null;
  }

  /** `nowMs` is time since the epoch. Only where `canSign`. */
  sign(claims: JwtClaims, nowMs: number): string {
    const header = toPart({ alg: this.#name, typ: "JWT" });
    const exp = Math.floor((nowMs + this.#ttlMs) / 1000);
    const body = toPart({ exp, revision: claims.revision, username: claims.user });
    const text = `${header}.${body}`;
    return `${text}.${this.#sign(Buffer.from(text)).toString("base64url")}`;
  }

  /** Null for what is no token of ours, or is past its time. */
  verify(token: string, nowMs: number): JwtClaims | null {
    const body = this.#judged.get(token) ?? this.#judge(token);
    if (body === null) return null;
    return readClaims(body, nowMs / 1000);
  }

  /** What a signature was found good for: a signature costs more than most of what it allows. */
  #judge(token: string): Body | null {
    const body = this.#bodyOf(token);
    if (body === null) return null;
    if (this.#judged.size >= JUDGED_MAX) {
      for (const oldest of this.#judged.keys()) {
        this.#judged.delete(oldest);
        break;
      }
    }
    this.#judged.set(token, body);
    return body;
  }

  #bodyOf(token: string): Body | null {
    const parts = token.split(".");
    const [header, body, signature] = parts;
    if (header === undefined || body === undefined || signature === undefined) return null;
    if (parts.length !== 3 || fromPart(header)?.["alg"] !== this.#name) return null;
    const bytes = Buffer.from(signature, "base64url");
    if (bytes.toString("base64url") !== signature) return null;
    if (!this.#verifies(Buffer.from(`${header}.${body}`), bytes)) return null;
    return fromPart(body);
  }

  #sign(text: Uint8Array): Buffer {
    const { family, digest } = this.#method;
    const { secret, signing } = this.#keys;
    if (secret !== null) return createHmac(digest, secret).update(text).digest();
    if (signing === null) throw unfit("a public key signs nothing");
    if (family === "EdDSA") return sign(null, text, signing);
    return sign(digest, text, { key: signing, ...this.#options() });
  }

  #verifies(text: Uint8Array, signature: Buffer): boolean {
    const { family, digest } = this.#method;
    const { secret, judging } = this.#keys;
    if (secret !== null) {
      const expected = createHmac(digest, secret).update(text).digest();
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    }
    if (judging === null) return false;
    if (family === "EdDSA") return verify(null, text, judging, signature);
    return verify(digest, text, { key: judging, ...this.#options() }, signature);
  }

  #options(): object {
    switch (this.#method.family) {
      case "PS":
        // The longest salt when we sign; of any length when others did.
        return {
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_AUTO,
        };
      case "ES":
        return { dsaEncoding: "ieee-p1363" };
      default:
        return {};
    }
  }
}

function readKeys(options: JwtOptions, { family, curve }: Method): Keys {
  const { privateKey, publicKey } = options;
  if (family === "HS") {
    if (privateKey === null || privateKey.length === 0) {
      throw unfit(`${options.method} needs a secret: add priv-key=FILE`);
    }
    return { secret: Buffer.from(privateKey), signing: null, judging: null };
  }
  const signing = privateKey === null ? null : parseKey(createPrivateKey, privateKey, "priv-key");
  const given = publicKey === null ? null : parseKey(createPublicKey, publicKey, "pub-key");
  const judging = given ?? (signing === null ? null : createPublicKey(signing));
  if (judging === null) {
    throw unfit(
      `${options.method} needs a key: add priv-key=FILE, or pub-key=FILE to judge tokens`,
    );
  }
  for (const key of signing === null ? [judging] : [signing, judging]) {
    const fits = KEY_TYPES[family].includes(key.asymmetricKeyType ?? "");
    const onCurve = curve === "" || key.asymmetricKeyDetails?.namedCurve === curve;
    if (!fits || !onCurve) throw unfit(`the key is of another kind than ${options.method} needs`);
  }
  if (signing !== null && !createPublicKey(signing).equals(judging)) {
    throw unfit("pub-key and priv-key are no pair: give the two of one key");
  }
  return { secret: null, signing, judging };
}

function parseKey(parse: (pem: Buffer) => KeyObject, pem: Uint8Array, name: string): KeyObject {
  try {
    return parse(Buffer.from(pem));
  } catch (error) {
    throw unfit(
      `the file of ${name} holds no PEM key that can be read without a passphrase`,
      error,
    );
  }
}

function readClaims(claims: Body, now: number): JwtClaims | null {
  const { username, revision, exp, nbf } = claims;
  if (exp !== undefined && (typeof exp !== "number" || now >= exp)) return null;
  if (nbf !== undefined && (typeof nbf !== "number" || now < nbf)) return null;
  if (typeof username !== "string" || typeof revision !== "number") return null;
  return { user: username, revision };
}

function toPart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A JSON object; null for anything else. */
function fromPart(part: string): Body | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Body) : null;
  } catch {
    return null;
  }
}

function unfit(message: string, cause?: unknown): QuorateError {
  return new QuorateError("configuration", message, cause);
}
