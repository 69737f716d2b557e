import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type OperatorConfig,
  clusterDomainOf,
  helpText,
  readConfig,
  readCredentialFlags,
  repositoryOf,
} from "../../operator/config.ts";

function config(
  args: readonly string[] = [],
  env: Record<string, string> = {},
  resolvConf = "",
): OperatorConfig {
  return readConfig(args, { env, resolvConf, namespace: null });
}

describe("the operator's configuration", () => {
  it("has a default for everything", () => {
    const { instance, ...rest } = config();
    assert.ok(instance.length > 0);
    assert.deepEqual(rest, {
      namespaces: null,
      namespace: "default",
      election: {
        namespace: "default",
        name: "quorate-operator",
        times: { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 },
      },
      metrics: { host: null, port: 8080 },
      logLevel: "info",
      workers: 4,
      operatorImage: null,
      repository: "ghcr.io/quorate/quorate",
      clusterDomain: "cluster.local",
      kubeconfig: null,
      context: null,
    });
  });

  it("takes the pod's own variables", () => {
    const env = {
      POD_NAME: "operator-1",
      POD_NAMESPACE: "ops",
      OPERATOR_IMAGE: "registry:5000/q/quorate:1.2@sha256:ab",
    };
    const { instance, namespace, election, operatorImage, repository } = config([], env);
    assert.deepEqual(
      { instance, namespace, at: election?.namespace, operatorImage, repository },
      {
        instance: "operator-1",
        namespace: "ops",
        at: "ops",
        operatorImage: "registry:5000/q/quorate:1.2@sha256:ab",
        repository: "registry:5000/q/quorate",
      },
    );
  });

  it("a flag goes before its variable, a variable before the default", () => {
    const env = { QUORATE_OPERATOR_WORKERS: "7", QUORATE_OPERATOR_WATCH_NAMESPACES: "a, b," };
    assert.equal(config([], env).workers, 7);
    assert.equal(config(["--workers=9"], env).workers, 9);
    assert.deepEqual(config([], env).namespaces, ["a", "b"]);
    assert.deepEqual(config(["--watch-namespaces=c"], env).namespaces, ["c"]);
    assert.deepEqual(readCredentialFlags(["--kubeconfig=/k"], {}), { kubeconfig: "/k" });
  });

  it("one operator alone needs no lease", () => {
    assert.equal(config(["--leader-elect=false"]).election, null);
  });

  it("refuses what it does not understand, by the flag's name", () => {
    const refused: readonly (readonly [string, RegExp])[] = [
      ["--workers=0", /^--workers is no whole number from 1 to 100$/],
      ["--workers=two", /^--workers /],
      ["--metrics-port=70000", /^--metrics-port /],
      ["--log-level=loud", /^--log-level is none of /],
      ["--leader-elect=perhaps", /^--leader-elect is neither true nor false$/],
      [
        "--leader-election-retry-period=2",
        /^--leader-election-retry-period is no duration such as 15s$/,
      ],
      ["--leader-election-lease-duration=5s", /must be longer than the renew deadline/],
      ["--wrokers=1", /Unknown option '--wrokers'/],
      ["stray", /Unexpected argument 'stray'/],
    ];
    for (const [arg, text] of refused) {
      assert.throws(() => config([arg]), { code: "configuration", message: text }, arg);
    }
  });

  it("finds the cluster's domain where the kubelet writes it", () => {
    const kubelet =
      "nameserver 10.96.0.10\nsearch ops.svc.corp.example svc.corp.example corp.example lan\noptions ndots:5\n";
    assert.equal(clusterDomainOf(kubelet), "corp.example");
    assert.equal(clusterDomainOf("search lan\nnameserver 1.1.1.1\n"), null);
    assert.equal(config([], {}, kubelet).clusterDomain, "corp.example");
    assert.equal(config(["--cluster-domain=k8s.local"], {}, kubelet).clusterDomain, "k8s.local");
  });

  it("an image's repository has neither tag nor digest", () => {
    assert.equal(repositoryOf("quorate"), "quorate");
    assert.equal(repositoryOf("quorate:1"), "quorate");
    assert.equal(repositoryOf("localhost:5000/quorate"), "localhost:5000/quorate");
    assert.equal(repositoryOf("localhost:5000/quorate:1.0@sha256:00"), "localhost:5000/quorate");
  });

  it("helps with every flag", () => {
    assert.match(helpText(), /--watch-namespaces .*\n(.*\n)*.*--log-level .*\(info\)\n$/);
  });
});
