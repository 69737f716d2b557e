/** Root's password: when it is set, and that the journal does not hold it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SECRET } from "../../../operator/api/resources.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { NAMESPACE } from "../world/world.ts";

describe("root's password", () => {
  it("is set from the Secret, and again when that changes, and not in between", async () => {
    await settled(32, async (sandbox) => {
      const { api, world } = sandbox;
      const put = (password: string): void => {
        const data = { password: Buffer.from(password).toString("base64") };
        const metadata = { name: "kv-root", namespace: NAMESPACE };
        const object = { apiVersion: "v1", kind: "Secret", metadata, data };
        api.store.apply(SECRET, object, "person");
      };
      sandbox.edit({ auth: { rootSecretRef: { name: "kv-root" } } });
      await sandbox.time.run(MINUTE);
      assert.equal(sandbox.condition("Stalled"), "True", "there is no such Secret yet");
      put("first");
      await sandbox.time.run(2 * MINUTE);
      put("second");
      await sandbox.time.run(2 * MINUTE);
      assert.deepEqual(world.care, ["root first", "root second"]);
      assert.doesNotMatch(JSON.stringify(sandbox.journal), /first|second/);
    });
  });
});
