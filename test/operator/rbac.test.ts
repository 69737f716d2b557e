import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONTROLLERS } from "../../operator/controllers.ts";
import { NAMESPACED_RULES } from "../../operator/rbac.ts";
import { judge } from "./fake/permissions.ts";

describe("the operator's rights", () => {
  it("let it watch what its controllers watch", () => {
    assert.ok(CONTROLLERS.length > 0);
    for (const { sources } of CONTROLLERS)
      for (const { resource } of sources)
        for (const verb of ["list", "watch"] as const) judge(NAMESPACED_RULES, verb, resource);
  });

  it("never let it list Secrets, and give it no wildcard", () => {
    const text = JSON.stringify(NAMESPACED_RULES);
    assert.doesNotMatch(text, /\*/);
    const secrets = NAMESPACED_RULES.filter(({ resources }) => resources.includes("secrets"));
    assert.equal(secrets.length, 1);
    for (const verb of ["list", "watch", "deletecollection"])
      assert.ok(!secrets[0]?.verbs.includes(verb));
  });
});
