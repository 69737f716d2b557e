/**
 * Schedules as cron has them: five fields, each with its own numbers and names. What is accepted here, operator/backup/cron.ts
 * can read, and it comes to pass: test/operator/real asks both about many.
 */
import type { Pattern, Rule } from "./node.ts";
import { celString } from "./shared.ts";

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** Lists of values, ranges and steps. A range is of numbers or of names. */
function field(numbers: string, steps: string, names?: readonly string[]): string {
  const step = `(/(${steps}))?`;
  const range = (value: string): string => `(${value})(-(${value})${step})?`;
  const parts = [
    `\\*${step}`,
    range(numbers),
    ...(names === undefined ? [] : [range(names.join("|"))]),
  ];
  const part = `(${parts.join("|")})`;
  return `${part}(,${part})*`;
}

const FIELDS = [
  field("[0-5]?[0-9]", "[1-9]|[1-5][0-9]"),
  field("[01]?[0-9]|2[0-3]", "[1-9]|1[0-9]|2[0-3]"),
  field("0?[1-9]|[12][0-9]|3[01]", "[1-9]|[12][0-9]|3[01]"),
  field("0?[1-9]|1[0-2]", "[1-9]|1[0-2]", MONTHS),
  field("[0-7]", "[1-7]", DAYS),
];

export const CRON: Pattern = {
  regex: `^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|${FIELDS.join(" +")})$`,
  says:
    'must be five fields (minute, hour, day of month, month, day of week) such as "0 */6 * * *", or @hourly, @daily, @weekly, @monthly, ' +
    "@yearly; the time zone is spec.timeZone",
};

/** Numbers below `end` as cron may write them. */
function below(end: number): string {
  const tens = Math.floor(end / 10);
  const units = end % 10;
  const parts = [
    tens === 0 ? `0?[0-${units - 1}]` : "0?[0-9]",
    ...(tens > 1 ? [`[1-${tens - 1}][0-9]`] : []),
    ...(tens > 0 && units > 0 ? [`${tens}[0-${units - 1}]`] : []),
  ];
  return parts.length === 1 ? parts.join("") : `(${parts.join("|")})`;
}

/** What ends before it begins. Spelt out: to split and compare would cost the API server a hundred times what it allows. */
function backwards(): string {
  const numbers = Array.from({ length: 59 }, (_, at) => {
    const from = at + 1;
    return `${from < 10 ? "0?" : ""}${from}-${below(from)}`;
  });
  const named = [MONTHS, DAYS].flatMap((names) =>
    names.slice(1).map((name, at) => `${name}-(${names.slice(0, at + 1).join("|")})`),
  );
  return `(^|[ ,])(${[...numbers, ...named].join("|")})([ ,/]|$)`;
}

const SHORT_MONTHS = "0?4|0?6|0?9|11|APR|JUN|SEP|NOV";
const FEBRUARY = "0?2|FEB";

/** The 30th or 31st alone, in months alone that do not have it, on whatever day of the week. */
function never(): string {
  const alone = (days: string, months: string): string =>
    `${days}(,${days})* +(${months})(,(${months}))*`;
  const dates = [alone("3[01]", FEBRUARY), alone("31", `${FEBRUARY}|${SHORT_MONTHS}`)];
  return `^[^ ]+ +[^ ]+ +(${dates.join("|")}) +\\*$`;
}

export const CRON_RULES: readonly Rule[] = [
  {
    rule: `!self.matches(${celString(backwards())})`,
    message:
      "a range must not end before it begins: write two, such as FRI-SAT,SUN-MON, or 18-23,0-8 for hours",
  },
  {
    rule: `!self.matches(${celString(never())})`,
    message: "there is no such day in that month: use an earlier day",
  },
];
