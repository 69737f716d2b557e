/** Python with the clients of `python/requirements.txt`, installed once into the tools' cache. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CACHE, run, type Finished } from "./tools.ts";

const FOLDER = fileURLToPath(new URL("../python/", import.meta.url));
const INSTALL_MS = 300_000;

/** Where the packages are; installs them first where they are not, or where the list has changed. */
function packages(): Promise<string> {
  return (installed ??= install());
}

/** Both sides of a comparison ask at the same time. */
let installed: Promise<string> | null = null;

async function install(): Promise<string> {
  const list = join(FOLDER, "requirements.txt");
  const digest = createHash("sha256").update(readFileSync(list)).digest("hex").slice(0, 16);
  const place = join(CACHE, `python-${digest}`);
  if (existsSync(place)) return place;
  const fresh = `${place}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  const pip = await pipCommand();
  const command = [...pip, "install", "--quiet", "--no-deps", "--target", fresh, "-r", list];
  const { code, stderr } = await run(command, { timeoutMs: INSTALL_MS });
  if (code !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new Error(`${command.join(" ")} failed:\n${stderr}`);
  }
  renameSync(fresh, place);
  return place;
}

/** pip of Python itself, else of a virtual environment, which Debian has in a package of its own. */
async function pipCommand(): Promise<readonly string[]> {
  const own = ["python3", "-m", "pip"];
  if ((await run([...own, "--version"])).code === 0) return own;
  const environment = join(CACHE, "python-venv");
  const made = await run(["python3", "-m", "venv", environment], { timeoutMs: INSTALL_MS });
  if (made.code === 0) return [join(environment, "bin", "python"), "-m", "pip"];
  throw new Error(`python3 has neither pip nor venv: install python3-venv\n${made.stderr}`);
}

export async function runPython(script: string, words: readonly string[]): Promise<Finished> {
  const env = { PYTHONPATH: await packages(), PYTHONDONTWRITEBYTECODE: "1" };
  return await run(["python3", join(FOLDER, script), ...words], { env, timeoutMs: 60_000 });
}
