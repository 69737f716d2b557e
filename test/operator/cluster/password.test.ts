/** Root's password: when it is set, and that the journal does not hold it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SECRET } from "../../../operator/api/resources.ts";
import { textOf } from "../../../operator/cluster/certificates.ts";
import { describeAction } from "../../../operator/cluster/controller.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { KubeError } from "../../../operator/kube/api.ts";
import type { Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { next } from "./asking.ts";
import { NOW } from "./facts.ts";
import { NAMESPACE } from "../world/world.ts";

function put({ api }: Sandbox, password: string): void {
  const data = { password: Buffer.from(password).toString("base64") };
  const metadata = { name: "kv-root", namespace: NAMESPACE };
  const object = { apiVersion: "v1", kind: "Secret", metadata, data };
  api.store.apply(SECRET, object, "person");
}

/** What the operator has written down for itself. */
function noted({ api }: Sandbox): readonly string[] | null {
  const ref = { namespace: NAMESPACE, name: "kv-operator-auth" };
  const text = textOf(api.store.get(SECRET, ref) as Secret | undefined, "passwords");
  return text === null ? null : (JSON.parse(text) as string[]);
}

describe("root's password", () => {
  it("is set from the Secret, and again when that changes, and not in between", async () => {
    await settled(32, async (sandbox) => {
      const { world } = sandbox;
      sandbox.edit({ auth: { rootSecretRef: { name: "kv-root" } } });
      await sandbox.time.run(MINUTE);
      assert.equal(sandbox.condition("Stalled"), "True", "there is no such Secret yet");
      put(sandbox, "first");
      await sandbox.time.run(2 * MINUTE);
      put(sandbox, "second");
      await sandbox.time.run(2 * MINUTE);
      assert.deepEqual(world.care, ["root first", "root second"]);
      assert.equal(sandbox.condition("Ready"), "True", "and the operator is root all the time");
      assert.doesNotMatch(JSON.stringify(sandbox.journal), /first|second/);
      assert.deepEqual(noted(sandbox), ["second"]);
    });
  });

  it("is found again by an operator that was held up between setting one and writing it down", async () => {
    await settled(33, async (sandbox) => {
      const { api, world, time } = sandbox;
      put(sandbox, "first");
      sandbox.edit({ auth: { rootSecretRef: { name: "kv-root" } } });
      await time.until("first", 2 * MINUTE, () => noted(sandbox)?.[0] === "first");
      await time.run(MINUTE);
      put(sandbox, "second");
      await time.until("set", MINUTE, () => {
        if (noted(sandbox)?.length !== 2) return world.rootPassword === "second";
        api.faults.plan({
          on: { verb: "update", resource: "configmaps" },
          times: 1,
          error: new KubeError("unavailable", "the API server is not reached"),
        });
        return world.rootPassword === "second";
      });
      put(sandbox, "third");
      await time.until("third", 2 * MINUTE, () => world.rootPassword === "third");
      await time.until("well", 2 * MINUTE, () => sandbox.condition("Ready") === "True");
      await time.run(MINUTE);
      assert.deepEqual(noted(sandbox), ["third"]);
    });
  });

  it("of the time of a restored backup is taken from the Secret, and from there on it is changed as ever", async () => {
    await settled(34, async (sandbox) => {
      const { world, time } = sandbox;
      put(sandbox, "new");
      sandbox.edit({ auth: { rootSecretRef: { name: "kv-root" } } });
      await time.until("set", 2 * MINUTE, () => world.rootPassword === "new");
      await time.run(MINUTE);
      world.rootPassword = "old";
      await time.until("locked out", MINUTE, () => sandbox.condition("Available") === "False");
      const told = sandbox.cluster.status?.conditions?.find(({ type }) => type === "Available");
      assert.match(told?.message ?? "", /kv-\d: etcdserver: authentication failed/);
      put(sandbox, "old");
      await time.until("in again", 2 * MINUTE, () => sandbox.condition("Ready") === "True");
      put(sandbox, "new");
      await time.until("set again", 2 * MINUTE, () => world.rootPassword === "new");
      await time.until("well", 2 * MINUTE, () => sandbox.condition("Ready") === "True");
    });
  });

  it("is noted in the midst of an operation: the Secret may not hold what the members ask for when it ends", () => {
    const data = { password: Buffer.from("old").toString("base64") };
    const metadata = { name: "kv-root", namespace: "data" };
    const secret: Secret = { apiVersion: "v1", kind: "Secret", metadata, data };
    const action = next({
      spec: { auth: { rootSecretRef: { name: "kv-root" } } },
      facts: { secrets: new Map([["kv-root", secret]]) },
      operation: {
        id: "1-4",
        type: "Defragment",
        step: "Defragment",
        attempts: 0,
        startedAt: new Date(NOW).toISOString(),
        deadline: null,
        task: null,
        members: ["kv-0"],
        done: [],
      },
    });
    assert.deepEqual(action, { kind: "notePasswords", passwords: ["old"] });
  });

  it("is in no line of the log", () => {
    const line = describeAction({ kind: "notePasswords", passwords: ["geheim"] });
    assert.deepEqual(line, { action: "notePasswords", passwords: 1 });
  });
});
