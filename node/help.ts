/** What --help prints. */
import { commandLines } from "./commands.ts";
import type { Flag } from "./flag.ts";
import { FLAG_SECTIONS } from "./flags.ts";

const NAME_COLUMNS = 38;

export function helpText(): string {
  const sections = FLAG_SECTIONS.map(
    ([title, flags]) => `${title}:\n${flags.map(line).join("\n")}`,
  );
  return `Usage: quorate [flags]
       quorate COMMAND [arguments]

Without a command: runs one member of a Quorate cluster. Quorate speaks the etcd v3 protocol and takes etcd's flags; every
flag can also be set as QUORATE_<NAME> or ETCD_<NAME> in the environment, or in the file named by --config-file.

Commands (each has a --help of its own):
${commandLines()}

${sections.join("\n\n")}
`;
}

function line(flag: Flag): string {
  const fallback = flag.fallback === "" ? "" : ` (default: ${flag.fallback})`;
  return `  --${flag.name}`.padEnd(NAME_COLUMNS) + `${flag.help ?? ""}${fallback}`;
}
