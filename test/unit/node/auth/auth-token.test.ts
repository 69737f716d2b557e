/** `--auth-token` and what goes with it: what is read, and every refusal in one line. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openTokens } from "../../../../node/auth-token.ts";
import { loadConfig } from "../../../../node/config.ts";
import { QuorateError } from "../../../../src/base/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "quorate-jwt-"));
after(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function refusal(...args: readonly string[]): string {
  try {
    openTokens(loadConfig(args, {}).authToken);
  } catch (error) {
    assert.ok(error instanceof QuorateError && error.code === "configuration", String(error));
    assert.ok(!error.message.includes("\n"), error.message);
    return error.message;
  }
  throw new Error(`${args.join(" ")} was accepted`);
}

describe("--auth-token", () => {
  it("is simple for five minutes unless something else is asked for", () => {
    const given = (...args: string[]): unknown => loadConfig(args, {}).authToken;
    assert.deepEqual(given(), { kind: "simple", ttlMs: 300_000 });
    assert.deepEqual(given("--auth-token-ttl=7"), { kind: "simple", ttlMs: 7_000 });
    assert.deepEqual(given("--auth-token-ttl=0"), { kind: "simple", ttlMs: 300_000 });
    const jwt = given("--auth-token=jwt,sign-method=ES256,priv-key=a,pub-key=b,ttl=90s");
    const paths = { publicKey: "b", privateKey: "a" };
    assert.deepEqual(jwt, { kind: "jwt", method: "ES256", ...paths, ttlMs: 90_000 });
    assert.equal(loadConfig([], {}).bcryptCost, 10);
    assert.equal(loadConfig([], {}).clientCertAuth, false);
  });

  it("makes and judges tokens with the keys of its files", () => {
    const pair = generateKeyPairSync("ed25519");
    const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" });
    const flag = `--auth-token=jwt,sign-method=EdDSA,priv-key=${fileWith("ed.pem", pem)}`;
    const scheme = openTokens(loadConfig([flag], {}).authToken);
    assert.ok(scheme.kind === "jwt");
    const claims = { user: "ann", revision: 3 };
    assert.deepEqual(scheme.jwt.verify(scheme.jwt.sign(claims, 0), 1), claims);
  });

  it("refuses what it cannot do, and says what to change", () => {
    const secret = fileWith("secret", "not a PEM");
    const refused: readonly (readonly [string, RegExp])[] = [
      ["--auth-token=", /must be simple, or jwt with its options/],
      ["--auth-token=oidc", /must be simple, or jwt with its options/],
      ["--auth-token=simple,ttl=5m", /takes no options: use --auth-token-ttl/],
      ["--auth-token=jwt", /sign-method= must be one of RS256/],
      ["--auth-token=jwt,sign-method=none", /sign-method=none must be one of RS256/],
      ["--auth-token=jwt,sign-method=RS256,colour=red", /'colour' must be one of sign-method/],
      ["--auth-token=jwt,sign-method", /'sign-method' must be written name=value/],
      ["--auth-token=jwt,ttl=1m,ttl=2m", /each name once/],
      ["--auth-token=jwt,sign-method=RS256,ttl=soon", /ttl=soon must be a duration such as 5m/],
      ["--auth-token=jwt,sign-method=RS256,ttl=0s", /ttl=0s must be a duration such as 5m/],
      ["--auth-token=jwt,sign-method=RS256", /needs a key: add priv-key=FILE/],
      ["--auth-token=jwt,sign-method=HS256", /needs a secret: add priv-key=FILE/],
      ["--auth-token=jwt,sign-method=RS256,priv-key=/nowhere/at/all", /of priv-key, .* cannot be/],
      [`--auth-token=jwt,sign-method=RS256,pub-key=${secret}`, /of pub-key holds no PEM key/],
      ["--auth-token-ttl=-1", /--auth-token-ttl=-1 must be at least 0/],
      ["--bcrypt-cost=3", /--bcrypt-cost=3 must be between 4 and 31/],
      ["--bcrypt-cost=32", /--bcrypt-cost=32 must be between 4 and 31/],
    ];
    for (const [flag, message] of refused) assert.match(refusal(flag), message);
  });
});
