/** What the operator tells a member is what a member understands. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDefaults } from "../../operator/api/apply-defaults.ts";
import { buildArguments } from "../../operator/cluster/component/arguments.ts";
import { loadConfig } from "../../node/config.ts";

const KEY = { namespace: "data", name: "kv" };

function accepted(spec: object, plaintext: boolean): ReturnType<typeof loadConfig> {
  const latched = {
    version: "0.1.0",
    repository: "example.org/quorate",
    layoutRevision: "v1",
    clusterDomain: "cluster.local",
    plaintext,
  };
  const full = withDefaults({ replicas: 3, storage: { size: "8Gi" }, ...spec });
  const args = buildArguments(KEY, full, latched);
  return loadConfig(
    args.map((arg) => arg.replace("$(POD_NAME)", "kv-0")),
    {},
  );
}

describe("a member's command line", () => {
  it("is one that the member accepts, with TLS", () => {
    const config = accepted({ tls: {} }, false);
    assert.equal(config.name, "kv-0");
    assert.deepEqual(config.advertisePeerUrls, [
      "https://kv-0.kv-peers.data.svc.cluster.local:2380",
    ]);
    assert.notEqual(config.bootDir, null);
  });

  it("is one that the member accepts, without", () => {
    assert.equal(accepted({ unsafe: { plaintext: true } }, true).name, "kv-0");
  });

  it("hands on what the spec says of the server", () => {
    const server = {
      heartbeatInterval: "50ms",
      electionTimeout: "500ms",
      quotaBackend: "1Gi",
      autoCompaction: { mode: "Revision", retention: "1000" },
      extraArgs: { "max-txn-ops": "256" },
    };
    const config = accepted({ server, tls: {} }, false);
    assert.equal(config.maxTxnOps, 256);
    assert.equal(config.quotaBytes, 2 ** 30);
  });
});
