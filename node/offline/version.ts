/** `quorate version`. */
import type { CommandIo } from "../commands.ts";
import { versionText } from "../version.ts";

export function run(_args: readonly string[], io: CommandIo): Promise<number> {
  io.stdout.write(versionText());
  return Promise.resolve(0);
}
