/** Durations as Go writes them and the schema allows: "100ms", "5m", "1h30m". */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const FORM = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/** Milliseconds; null for what is no duration. */
export function parseDuration(text: string): number | null {
  if (!FORM.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return total;
}

/** Milliseconds of a field that the schema has checked; a RangeError for what is no duration. */
export function durationMs(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === null) throw new RangeError(`"${text}" is no duration`);
  return parsed;
}
