import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf, newTokenPrefix, parseToken, SimpleTokens } from "../../../src/auth/token.ts";
import { enabledAuth, Records, text } from "./fixture.ts";

const TTL_MS = 300_000;
const LETTERS = "abcdefghijklmnop";
const TOKEN = { prefix: LETTERS, index: 7 };

function granted(): SimpleTokens {
  const tokens = new SimpleTokens();
  tokens.grant(digestOf(LETTERS), "ann", 7, 0);
  return tokens;
}

describe("SimpleTokens", () => {
  it("a token is its letters and the index of its entry", () => {
    assert.deepEqual(parseToken(`${LETTERS}.7`), TOKEN);
    for (const bad of [
      "",
      LETTERS,
      `${LETTERS}.`,
      `${LETTERS}.-1`,
      `${LETTERS}.7.8`,
      `x${LETTERS}.7`,
    ]) {
      assert.equal(parseToken(bad), null, bad);
    }
    const tokens = granted();
    assert.equal(tokens.use(TOKEN, 1, TTL_MS), "ann");
    assert.equal(tokens.use({ ...TOKEN, index: 8 }, 1, TTL_MS), null);
    assert.equal(tokens.use({ ...TOKEN, prefix: "ponmlkjihgfedcba" }, 1, TTL_MS), null);
  });

  it("ends when it was not used for its time, and no sooner", () => {
    const tokens = granted();
    assert.equal(tokens.use(TOKEN, TTL_MS - 1, TTL_MS), "ann");
    assert.equal(tokens.use(TOKEN, 2 * TTL_MS - 2, TTL_MS), "ann", "the use made it last");
    assert.equal(tokens.use(TOKEN, 3 * TTL_MS - 2, TTL_MS), null);
    assert.equal(tokens.size, 0, "and is forgotten");
  });

  it("one that is used outlives an older one that is not", () => {
    const tokens = granted();
    tokens.grant(digestOf("ponmlkjihgfedcba"), "bob", 8, 10);
    assert.equal(tokens.use(TOKEN, 20, TTL_MS), "ann");
    assert.equal(tokens.use(TOKEN, TTL_MS + 15, TTL_MS), "ann");
    assert.equal(tokens.size, 1);
  });

  it("is forgotten in time by a member that is never shown it", () => {
    const tokens = granted();
    tokens.grant(digestOf("ponmlkjihgfedcba"), "bob", 8, 10);
    tokens.expire(TTL_MS - 1, TTL_MS);
    assert.equal(tokens.size, 2);
    tokens.expire(TTL_MS, TTL_MS);
    assert.equal(tokens.size, 1);
    tokens.expire(TTL_MS + 10, TTL_MS);
    assert.equal(tokens.size, 0);
  });

  it("new letters are random, and their digest says nothing of them", () => {
    const made = new Set(Array.from({ length: 1_000 }, newTokenPrefix));
    assert.equal(made.size, 1_000);
    for (const prefix of made) assert.match(prefix, /^[a-zA-Z]{16}$/);
    assert.match(digestOf(LETTERS), /^[\w-]{43}$/);
  });
});

describe("Auth: its tokens", () => {
  it("end with the user, with the password, and with authentication", () => {
    for (const end of ["delete", "password", "disable"] as const) {
      const auth = enabledAuth();
      auth.addUser("ann", text("h"), false);
      auth.addUser("bob", text("h"), false);
      auth.tokens.grant(digestOf(LETTERS), "ann", 7, 0);
      auth.tokens.grant(digestOf("ponmlkjihgfedcba"), "bob", 8, 0);
      if (end === "delete") auth.deleteUser("ann");
      else if (end === "password") auth.changePassword("ann", text("i"));
      else auth.disable();
      assert.equal(auth.tokens.use(TOKEN, 1, TTL_MS), null, end);
      assert.equal(auth.tokens.size, end === "disable" ? 0 : 1, "other users keep theirs");
    }
  });

  it("of a state that was replaced stay good for those whose password is the same", () => {
    const before = enabledAuth();
    const now = enabledAuth(new Records());
    for (const [name, password] of [
      ["same", "h"],
      ["changed", "h"],
      ["gone", "h"],
    ] as const) {
      before.addUser(name, text(password), false);
      before.tokens.grant(digestOf(name), name, 7, 0);
    }
    now.addUser("same", text("h"), false);
    now.addUser("changed", text("i"), false);
    now.inheritTokens(before);
    assert.equal(now.tokens.use({ prefix: "same", index: 7 }, 1, TTL_MS), "same");
    assert.equal(now.tokens.size, 1);
  });
});
