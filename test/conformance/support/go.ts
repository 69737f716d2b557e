/** The Go program of `go/`, built once into the tools' cache. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CACHE, run } from "./tools.ts";

const FOLDER = fileURLToPath(new URL("../go/", import.meta.url));
const BUILD_MS = 300_000;

/** The path of the binary; builds it first where there is none of these sources. */
export async function goProgram(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of ["main.go", "go.mod", "go.sum"]) hash.update(readFileSync(join(FOLDER, file)));
  const program = join(CACHE, `clientv3-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(program)) return program;
  const fresh = `${program}.${process.pid}`;
  const build = ["go", "build", "-C", FOLDER, "-o", fresh, "."];
  const { code, stderr } = await run(build, { timeoutMs: BUILD_MS });
  if (code !== 0) throw new Error(`${build.join(" ")} failed:\n${stderr}`);
  renameSync(fresh, program);
  return program;
}
