import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { JWT_METHODS, JwtTokens } from "../../../src/auth/jwt.ts";
import { QuorateError } from "../../../src/base/errors.ts";

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const RSA: Pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const PAIRS: Readonly<Record<string, Pair>> = {
  RS: RSA,
  PS: RSA,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ES512: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  EdDSA: generateKeyPairSync("ed25519"),
};
const SECRET = Buffer.from("a secret of some length");
const CLAIMS = { user: "ann", revision: 7 };
const TTL_MS = 60_000;

function pairOf(method: string): Pair | null {
  return PAIRS[method] ?? PAIRS[method.slice(0, 2)] ?? null;
}

function pem(key: KeyObject): Buffer {
  return Buffer.from(key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" }));
}

function tokensOf(method: string, which: "both" | "private" | "public" = "private"): JwtTokens {
  const pair = pairOf(method);
  return new JwtTokens({
    method,
    ttlMs: TTL_MS,
    privateKey: pair === null ? SECRET : which === "public" ? null : pem(pair.privateKey),
    publicKey: pair === null || which === "private" ? null : pem(pair.publicKey),
  });
}

function handMade(header: object, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

describe("JwtTokens", () => {
  for (const method of JWT_METHODS) {
    it(`${method}: a token is good until its time, and nothing else is`, () => {
      const tokens = tokensOf(method);
      const token = tokens.sign(CLAIMS, 0);
      assert.deepEqual(tokens.verify(token, TTL_MS - 1), CLAIMS);
      assert.equal(tokens.verify(token, TTL_MS), null, "its time is over");
      const [header = "", body = "", signature = ""] = token.split(".");
      const other = Buffer.from(body, "base64url").toString().replace("ann", "bob");
      const forged = `${header}.${Buffer.from(other).toString("base64url")}.${signature}`;
      assert.equal(tokens.verify(forged, 1), null, "the claims are not what was signed");
      for (const bad of ["", "a.b", `${header}.${body}.`, `${header}.${body}`, `${token}.x`]) {
        assert.equal(tokens.verify(bad, 1), null, bad);
      }
    });
  }

  it("a public key judges and signs nothing", () => {
    for (const method of ["RS256", "PS384", "ES256", "EdDSA"]) {
      const judge = tokensOf(method, "public");
      assert.equal(judge.canSign, false);
      const signer = tokensOf(method, "both");
      assert.equal(signer.canSign, true);
      assert.deepEqual(judge.verify(signer.sign(CLAIMS, 0), 1), CLAIMS);
      assert.throws(() => judge.sign(CLAIMS, 0), QuorateError);
    }
  });

  it("another method than its own is refused, above all none", () => {
    const tokens = tokensOf("HS256");
    const claims = { username: "ann", revision: 7, exp: 60 };
    assert.deepEqual(tokens.verify(handMade({ alg: "HS256" }, claims), 1), CLAIMS);
    assert.equal(tokens.verify(handMade({ alg: "HS512" }, claims), 1), null);
    assert.equal(tokens.verify(handMade({ alg: "none" }, claims), 1), null);
    assert.equal(tokens.verify(handMade({}, claims), 1), null);
  });

  it("remembers good signatures, and of those the latest thousand", () => {
    const tokens = tokensOf("HS256");
    const made = Array.from({ length: 1_500 }, (_, revision) => ({ user: "ann", revision }));
    const signed = made.map((claims) => tokens.sign(claims, 0));
    for (const round of ["first", "again"]) {
      for (const [at, token] of signed.entries()) {
        assert.deepEqual(tokens.verify(token, 1), made[at], round);
        assert.equal(tokens.verify(`${token}x`, 1), null, round);
      }
    }
    for (const token of signed) assert.equal(tokens.verify(token, TTL_MS), null, "time counts");
  });

  it("claims that are missing or of another kind are refused", () => {
    const tokens = tokensOf("HS256");
    const good = { username: "ann", revision: 7, exp: 60 };
    for (const bad of [
      { ...good, username: 7 },
      { ...good, revision: "7" },
      { ...good, exp: "60" },
      { ...good, nbf: 30 },
      { revision: 7, exp: 60 },
      { username: "ann", exp: 60 },
      [],
    ]) {
      assert.equal(tokens.verify(handMade({ alg: "HS256" }, bad), 1), null, JSON.stringify(bad));
    }
    const endless = { username: "ann", revision: 7 };
    assert.deepEqual(tokens.verify(handMade({ alg: "HS256" }, endless), 1), CLAIMS);
  });

  it("keys that do not fit are refused in one line that says what to change, and shows no key", () => {
    const { publicKey, privateKey } = PAIRS["ES256"] as Pair;
    const options = { ttlMs: TTL_MS, publicKey: null, privateKey: null };
    const refused: [object, RegExp][] = [
      [{ method: "RS257" }, /sign-method must be one of/],
      [{ method: "RS256" }, /needs a key: add priv-key/],
      [{ method: "HS256" }, /needs a secret: add priv-key/],
      [{ method: "RS256", privateKey: pem(privateKey) }, /another kind than RS256/],
      [{ method: "ES384", privateKey: pem(privateKey) }, /another kind than ES384/],
      [{ method: "ES256", privateKey: SECRET }, /the file of priv-key holds no PEM key/],
      [{ method: "ES256", publicKey: SECRET }, /the file of pub-key holds no PEM key/],
      [
        {
          method: "RS256",
          publicKey: pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey),
          privateKey: pem(RSA.privateKey),
        },
        /no pair/,
      ],
    ];
    for (const [given, message] of refused) {
      assert.throws(
        () => new JwtTokens({ ...options, method: "", ...given }),
        (error) =>
          error instanceof QuorateError &&
          error.code === "configuration" &&
          message.test(error.message) &&
          !/\n|BEGIN|a secret of/.test(error.message),
      );
    }
    assert.ok(publicKey.type === "public");
  });
});
