/**
 * What the tests do to machines. QUORATE_E2E_NODES names a program that is called with `kill|up|cut|join INDEX`, as
 * test/cluster/node; without it the tests that need it are not run. Node I is called `nodeI`.
 */
import { run } from "../../conformance/support/tools.ts";

const PROGRAM = process.env["QUORATE_E2E_NODES"];
/** Why tests that harm nodes do not run here; false where they do. */
export const NO_NODES: string | false =
  PROGRAM === undefined ? "QUORATE_E2E_NODES names no program that kills and cuts nodes" : false;

/** `kill`: dies at once, as when the power fails; `up`: comes back; `cut`: parted from the network; `join`: no more. */
export async function harm(verb: "kill" | "up" | "cut" | "join", node: string): Promise<void> {
  const index = node.replace(/^node/, "");
  const { code, stderr } = await run([PROGRAM ?? "", verb, index], { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`${verb} ${node}: ${stderr}`);
}
