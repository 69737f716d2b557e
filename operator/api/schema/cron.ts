/** Schedules as cron has them: five fields, each with its own numbers and names. */
import type { Pattern } from "./node.ts";

const MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC";
const DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT";

/** Lists of values, ranges and steps of a field whose values are `value`. */
function field(value: string): string {
  const step = "(/[1-9][0-9]?)?";
  const part = `(\\*${step}|(${value})(-(${value})${step})?)`;
  return `${part}(,${part})*`;
}

const FIELDS = [
  field("[0-5]?[0-9]"),
  field("[01]?[0-9]|2[0-3]"),
  field("0?[1-9]|[12][0-9]|3[01]"),
  field(`0?[1-9]|1[0-2]|${MONTHS}`),
  field(`[0-7]|${DAYS}`),
];

export const CRON: Pattern = {
  regex: `^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|${FIELDS.join(" +")})$`,
  says:
    'must be five fields (minute, hour, day of month, month, day of week) such as "0 */6 * * *", or @hourly, @daily, @weekly, @monthly, ' +
    "@yearly; the time zone is spec.timeZone",
};
