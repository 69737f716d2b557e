/** Time zones by their IANA names. The schema knows their form; whether there is such a zone, the runtime's tables say. */

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
