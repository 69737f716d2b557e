/** `name=peer-url,name=peer-url`: the members of a cluster, as flags and boot tickets name them. */
import { parsePeerUrl, refuse, toPlainUrl } from "./reader.ts";

/**
 * Peer URLs by member name, in the order of the text. Throws "configuration"; `where` is what the refusal begins with: a flag,
 * or a file and a field.
 */
export function parseInitialCluster(where: string, text: string): Map<string, string[]> {
  const members = new Map<string, string[]>();
  for (const part of text.split(",")) {
    const [name, url] = splitOnce(part.trim(), "=");
    if (name === "" || url === null) refuse(`${where}: '${part}' must be written name=peer-url`);
    const urls = members.get(name) ?? [];
    urls.push(toPlainUrl(parsePeerUrl(where, url)));
    members.set(name, urls);
  }
  const all = [...members.values()].flat();
  if (new Set(all).size !== all.length) {
    refuse(`${where} names one peer URL twice: give each member its own`);
  }
  return members;
}

function splitOnce(text: string, separator: string): readonly [string, string | null] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + separator.length)];
}
