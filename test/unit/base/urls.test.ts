import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutScheme } from "../../../src/base/urls.ts";

describe("a URL without its scheme", () => {
  it("is the same with TLS and without", () => {
    assert.equal(withoutScheme("http://kv-0.peers:2380"), "kv-0.peers:2380");
    assert.equal(withoutScheme("https://kv-0.peers:2380"), "kv-0.peers:2380");
    assert.equal(withoutScheme("https://[::1]:2379"), "[::1]:2379");
  });

  it("is what was given where there is none, and where it is another", () => {
    for (const text of ["127.0.0.1:2379", "unix://socket:2379", "see http://kv-0:2379", ""])
      assert.equal(withoutScheme(text), text);
  });

  it("keeps what follows, as it is written", () => {
    assert.equal(withoutScheme("http://KV-0:2379/"), "KV-0:2379/");
    assert.notEqual(withoutScheme("http://kv-0:2379"), withoutScheme("http://kv-0:2380"));
  });
});
