/** Update windows: "Sat 02:00-05:00", "Mon-Fri 22:00-24:00", "* 03:00-04:00", in a time zone. Pure. */
import { isTimeZone } from "../../api/time-zone.ts";

const DAYS: readonly string[] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MINUTES_A_DAY = 1_440;

interface LocalTime {
  /** 0 is Sunday. */
  readonly day: number;
  readonly minute: number;
}

/**
 * Without windows it is always open. One whose end is not after its start runs over midnight. In a time zone that there is not,
 * none ever opens: the status refuses the zone.
 */
export function isWindowOpen(windows: readonly string[], timeZone: string, now: number): boolean {
  if (windows.length === 0) return true;
  if (!isTimeZone(timeZone)) return false;
  const local = localTime(now, timeZone);
  return windows.some((window) => contains(window, local));
}

function contains(window: string, { day, minute }: LocalTime): boolean {
  const [, days = "", fromHour, fromMinute, endHour, endMinute] =
    /^(\S+) (\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(window) ?? [];
  const from = Number(fromHour) * 60 + Number(fromMinute);
  const end = Number(endHour) * 60 + Number(endMinute);
  if (from < end) return matches(days, day) && minute >= from && minute < end;
  return (matches(days, day) && minute >= from) || (matches(days, (day + 6) % 7) && minute < end);
}

function matches(days: string, day: number): boolean {
  if (days === "*") return true;
  const [first = "", last = first] = days.split("-");
  const [from, end] = [DAYS.indexOf(first), DAYS.indexOf(last)];
  if (from < 0 || end < 0) return false;
  return from <= end ? day >= from && day <= end : day >= from || day <= end;
}

function localTime(now: number, timeZone: string): LocalTime {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(now);
  const part = (type: string): string => parts.find((each) => each.type === type)?.value ?? "";
  const minute = (Number(part("hour")) * 60 + Number(part("minute"))) % MINUTES_A_DAY;
  return { day: DAYS.indexOf(part("weekday")), minute };
}
