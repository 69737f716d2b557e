/**
 * --log-format=console: an event as a line for people, where `json` is for machines.
 *
 * ```
 * 2026-01-31T12:00:00.000Z  warn   peer is unreachable  peer=8e9e05c52164694d reason="connection refused"
 * ```
 */

const LEVEL_WIDTH = 5;

/** From the event as JSON, with its newline; a line that is no JSON object is left as it is. */
export function toConsoleLine(json: string): string {
  let event: unknown;
  try {
    event = JSON.parse(json);
  } catch {
    return json;
  }
  if (typeof event !== "object" || event === null) return json;
  const { level, ts, msg, ...fields } = event as Record<string, unknown>;
  const head = `${text(ts)}  ${text(level).padEnd(LEVEL_WIDTH)}  ${text(msg)}`;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  return `${[head, rest.join(" ")].filter((part) => part !== "").join("  ")}\n`;
}

/** Of what the logger itself put there. Never more than a line. */
function text(value: unknown): string {
  return typeof value === "string" ? value.replaceAll(/[\r\n]+/g, " ") : "";
}

/** Plain where that is unambiguous, else as JSON: nothing a value holds can begin another line or field. */
function fieldText(value: unknown): string {
  if (typeof value === "string" && /^[\w.:/@+-]+$/.test(value)) return value;
  return JSON.stringify(value) ?? "";
}
