/** How a backup's Job is known to the members. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QUORATE_CLUSTER } from "../../../operator/api/resources.ts";
import { BackupSandbox, at } from "./sandbox.ts";

describe("a backup's Job", () => {
  it("has what root's password may be, where no certificate names the operator", async () => {
    for (const spec of [{ unsafe: { plaintext: true } }, { tls: { client: { mode: "Server" } } }]) {
      const sandbox = new BackupSandbox();
      await sandbox.furnish();
      await sandbox.person.mergePatch(QUORATE_CLUSTER, at("kv"), { spec });
      await sandbox.makeBackup("kv-1");
      await sandbox.settle(at("kv-1"));
      const pod = (await sandbox.job("kv-1-backup"))?.spec.template.spec;
      const secret = pod?.volumes?.find(({ name }) => name === "operator-auth")?.secret;
      const wanted = { secretName: "kv-operator-auth", defaultMode: 0o440, optional: true };
      assert.deepEqual(secret, wanted, JSON.stringify(spec));
      const args = pod?.containers[0]?.args ?? [];
      assert.ok(args.includes("--root-passwords=/etc/quorate/auth/passwords"), args.join(" "));
    }
  });
});
