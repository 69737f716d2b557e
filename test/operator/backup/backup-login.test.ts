/** How a backup's Job is known to the members. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDefaults } from "../../../operator/api/apply-defaults.ts";
import { POD, QUORATE_CLUSTER, STATEFUL_SET } from "../../../operator/api/resources.ts";
import { buildArguments } from "../../../operator/cluster/component/arguments.ts";
import { latchedTransport } from "../../../operator/cluster/journal.ts";
import type { Transport } from "../../../operator/cluster/transport.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { BackupSandbox, at } from "./sandbox.ts";

/** A pod as a member between with TLS and without has it. */
function podOf(name: string, transport: Transport): KubeObject & { spec: object } {
  const key = { namespace: "data", name: "kv" };
  const latched = latchedTransport(
    { version: "0.1.0", repository: "", layoutRevision: "v1", clusterDomain: "cluster.local" },
    transport,
  );
  const spec = withDefaults({ replicas: 3, storage: { size: "8Gi" }, tls: {} });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "data", labels: { "quorate.io/cluster": "kv" } },
    spec: { containers: [{ name: "quorate", args: buildArguments(key, spec, latched) }] },
  };
}

describe("a backup's Job", () => {
  it("reaches each member as it runs now, whatever the spec says by now", async () => {
    const sandbox = new BackupSandbox();
    await sandbox.furnish();
    const spec = { unsafe: { plaintext: false } };
    await sandbox.person.mergePatch(QUORATE_CLUSTER, at("kv"), { spec });
    for (const [name, transport] of [
      ["kv-0", "Plaintext"],
      ["kv-1", "MixedHttp"],
      ["kv-2", "MixedHttp"],
    ] as const)
      await sandbox.person.create(POD, podOf(name, transport));
    const { spec: template } = podOf("kv-0", "MixedHttp");
    await sandbox.person.create(STATEFUL_SET, {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "kv", namespace: "data" },
      spec: { template: { spec: template } },
    } as KubeObject);
    await sandbox.makeBackup("kv-1");
    await sandbox.settle(at("kv-1"));
    const pod = (await sandbox.job("kv-1-backup"))?.spec.template.spec;
    const endpoints = pod?.containers[0]?.args?.find((arg) => arg.startsWith("--endpoints="));
    assert.deepEqual(endpoints?.replace("--endpoints=", "").split(","), [
      "http://kv-0.kv-peers.data.svc:2379",
      "https://kv-1.kv-peers.data.svc:2379",
      "https://kv-2.kv-peers.data.svc:2379",
    ]);
    const mounted = (pod?.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
    assert.ok(mounted.includes("kv-operator-tls"), "for those with TLS");
    assert.ok(mounted.includes("kv-operator-auth"), "for those without");
  });

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
