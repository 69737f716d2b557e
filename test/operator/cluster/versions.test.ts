/** Which versions are followed, and when: never further from any member than the next minor version. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { present } from "../../../src/base/assert.ts";
import { refuseVersion } from "../../../operator/cluster/adoption.ts";
import type { Journal } from "../../../operator/cluster/journal.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { next } from "./asking.ts";
import { type MemberSketch, factsOf } from "./facts.ts";

function adopted(version: string, journal: Partial<Journal>, members?: MemberSketch[]): Journal {
  const all = members ?? [{ leads: true }, {}, {}];
  const spec = { version };
  const action = next({ spec, members: all, journal, cluster: { generation: 2 } });
  assert.ok(action.kind === "journal", JSON.stringify(action));
  return action.document;
}

describe("a version", () => {
  const latched = (version: string): Partial<Journal> => {
    const { document } = present(factsOf().journal, "a cluster that is well has a journal");
    return { latched: { ...document.latched, version } };
  };

  it("two minor versions down is not followed on a word that was given for one", () => {
    assert.match(refuseVersion("1.6.0", "1.4.2", "1.4.2") ?? "", /go to 1\.5 first$/);
    assert.equal(refuseVersion("1.5.0", "1.4.2", "1.4.2"), null);
  });

  it("is followed once nobody's disk may be two minor versions away", () => {
    const held = adopted("1.6.0", {
      ...latched("1.5.0"),
      versionsLeft: { "kv-1": ["1.4.2"] },
    });
    assert.match(held.adopted.refusal ?? "", /skips a minor version for kv-1, .* 1\.4\.2/);
    assert.equal(held.latched.version, "1.5.0");
    const patch = adopted("1.5.1", { ...latched("1.5.0"), versionsLeft: { "kv-1": ["1.4.2"] } });
    assert.equal(patch.latched.version, "1.5.1", "a patch is no step");
  });

  it("is one that everybody has yet to be seen in, once it is followed", () => {
    const { versionsLeft, downgradeTo } = adopted("1.5.0", { downgradeTo: "1.3.9" });
    assert.deepEqual(versionsLeft, { "kv-0": ["1.4.2"], "kv-1": ["1.4.2"], "kv-2": ["1.4.2"] });
    assert.equal(downgradeTo, null, "the word was for where the cluster was then");
    const arrived = next({ journal: { versionsLeft: { "kv-0": ["1.3.9"], "kv-9": ["1.3.9"] } } });
    assert.ok(arrived.kind === "journal");
    assert.deepEqual(arrived.document.versionsLeft, { "kv-9": ["1.3.9"] });
  });

  it("asked for in the midst of a roll waits for the roll, and comes then", async () => {
    await settled(39, async (sandbox) => {
      const { world, time } = sandbox;
      const seen = new Set<string>();
      sandbox.edit({ version: "1.5.0" });
      await time.until("one is in it", 5 * MINUTE, () =>
        [...world.processes.values()].some(({ version }) => version === "1.5.0"),
      );
      sandbox.edit({ version: "1.6.0" });
      await time.until("all are in the next one", 20 * MINUTE, () => {
        const running = [...world.processes.values()].map(({ version }) => version);
        seen.add([...new Set(running)].toSorted().join(" and "));
        return running.length === 3 && running.every((version) => version === "1.6.0");
      });
      assert.ok(![...seen].some((mixed) => mixed.includes("1.4") && mixed.includes("1.6")));
    });
  });
});
