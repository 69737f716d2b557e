/** What README.md has people type about the operator, typed, before a real API server. It has no nodes: no pod is waited for. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run, tool } from "../../conformance/support/tools.ts";
import { ROOT } from "../../house/scan.ts";
import { ApiServer } from "./crd/server.ts";

const TEXT = readFileSync(join(ROOT, "README.md"), "utf8");
const SECTION = /^## On Kubernetes\n[\s\S]*?(?=^## )/m.exec(TEXT)?.[0] ?? "";
const BLOCKS = [...SECTION.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code);

/** kubectl for the server at hand, but for what needs nodes, an operator or the plugin; other programs are not of it. */
function prelude(kubeconfig: string): string {
  return `set -euo pipefail
kubectl() {
  case " $* " in
    *" wait "* | *" rollout "* | *" port-forward "* | " quorate "*) ;;
    *) ${tool("kubectl")} --kubeconfig=${kubeconfig} "$@" ;;
  esac
}
helm() { :; }
etcdctl() { :; }
npm() { :; }
`;
}

describe("README.md on the operator", { timeout: 180_000 }, () => {
  let server: ApiServer;
  const folder = mkdtempSync(join(tmpdir(), "quorate-readme-"));

  before(async () => {
    for (const name of ["manifests", "charts"]) symlinkSync(join(ROOT, name), join(folder, name));
    server = await ApiServer.start();
    const literals = ["ca.crt", "tls.crt", "tls.key"].map((key) => `--from-literal=${key}=${key}`);
    const made = await server.kubectl("create", "secret", "generic", "kv-client-tls", ...literals);
    assert.equal(made.code, 0, made.stderr);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it("has commands that the API server takes, from the first to the last", async () => {
    assert.ok(BLOCKS.length >= 7);
    for (const block of BLOCKS) {
      const script = `${prelude(server.kubeconfig)}cd ${folder}\n${block}`;
      const { code, stderr } = await run(["bash", "-c", script]);
      assert.equal(code, 0, `${block}\n${stderr}`);
      assert.doesNotMatch(stderr, /unknown field|Warning/, block);
    }
    assert.equal(readFileSync(join(folder, "tls.key"), "utf8"), "tls.key");
    const path = "jsonpath={.spec.replicas} {.spec.storage.size} {.spec.paused}";
    const { stdout } = await server.kubectl("get", "qc", "kv", "-o", path);
    assert.equal(stdout, "0 16Gi true");
  });

  it("installs what is there already once more without a word of conflict", async () => {
    const path = join(ROOT, "manifests/install.yaml");
    const { code, stderr } = await server.kubectl("apply", "--server-side", "-f", path);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
  });
});
