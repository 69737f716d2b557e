/** What the operator tells a member is what a member understands. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDefaults } from "../../operator/api/apply-defaults.ts";
import { buildArguments } from "../../operator/cluster/component/arguments.ts";
import { type Latched, latchedTransport } from "../../operator/cluster/journal.ts";
import { type Transport, transportOfArguments } from "../../operator/cluster/transport.ts";
import { loadConfig } from "../../node/config.ts";

const KEY = { namespace: "data", name: "kv" };

const TRANSPORTS = ["Plaintext", "MixedHttp", "MixedHttps", "PlaintextAccepted", "Tls"] as const;

function latchedAs(transport: Transport): Latched {
  const own = {
    version: "0.1.0",
    repository: "example.org/quorate",
    layoutRevision: "v1",
    clusterDomain: "cluster.local",
  };
  return latchedTransport(own, transport);
}

function accepted(spec: object, transport: Transport): ReturnType<typeof loadConfig> {
  const full = withDefaults({ replicas: 3, storage: { size: "8Gi" }, ...spec });
  const args = buildArguments(KEY, full, latchedAs(transport));
  return loadConfig(
    args.map((arg) => arg.replace("$(POD_NAME)", "kv-0")),
    {},
  );
}

describe("a member's command line", () => {
  it("is one that the member accepts, with TLS", () => {
    const config = accepted({ tls: {} }, "Tls");
    assert.equal(config.name, "kv-0");
    assert.deepEqual(config.advertisePeerUrls, [
      "https://kv-0.kv-peers.data.svc.cluster.local:2380",
    ]);
    assert.notEqual(config.bootDir, null);
  });

  it("is one that the member accepts, without", () => {
    assert.equal(accepted({ unsafe: { plaintext: true } }, "Plaintext").name, "kv-0");
  });

  for (const [transport, url] of [
    ["MixedHttp", "http"],
    ["MixedHttps", "https"],
    ["PlaintextAccepted", "https"],
  ] as const)
    it(`is one that the member accepts where it is ${transport}`, () => {
      const config = accepted({ tls: {} }, transport);
      assert.deepEqual(config.advertisePeerUrls, [
        `${url}://kv-0.kv-peers.data.svc.cluster.local:2380`,
      ]);
    });

  it("tells what it says of TLS, to whoever reads it back", () => {
    const full = withDefaults({ replicas: 3, storage: { size: "8Gi" }, tls: {} });
    for (const transport of TRANSPORTS) {
      const args = buildArguments(KEY, full, latchedAs(transport));
      assert.equal(transportOfArguments(args), transport);
    }
  });

  it("hands on what the spec says of the server", () => {
    const server = {
      heartbeatInterval: "50ms",
      electionTimeout: "500ms",
      quotaBackend: "1Gi",
      autoCompaction: { mode: "Revision", retention: "1000" },
      extraArgs: { "max-txn-ops": "256" },
    };
    const config = accepted({ server, tls: {} }, "Tls");
    assert.equal(config.maxTxnOps, 256);
    assert.equal(config.quotaBytes, 2 ** 30);
  });
});
