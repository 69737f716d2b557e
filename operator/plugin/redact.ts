/**
 * Takes out of a report what nobody but its owner should read. Secrets are never asked for; this is for what people put where it
 * does not belong, and for values of variables, which are often passwords.
 */

const REMOVED = "[removed]";
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const CREDENTIAL =
  /((?:password|passwd|secret|token|access_?key(?:_?id)?|authorization)["']?\s*[:=]\s*["']?(?:Bearer |Basic )?)[^\s"',;&}]+/gi;
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** A line of a log, or any text. */
export function redactText(text: string): string {
  return text.replace(PRIVATE_KEY, REMOVED).replace(CREDENTIAL, `$1${REMOVED}`);
}

/** An object of Kubernetes: a copy without managed fields, and with no variable's value. */
export function redactObject(value: unknown): unknown {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return value.map(redactObject);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(
    ([key]) => key !== "managedFields" && key !== LAST_APPLIED,
  );
  return Object.fromEntries(
    kept.map(([key, held]) => [key, key === "env" ? variables(held) : redactObject(held)]),
  );
}

function variables(held: unknown): unknown {
  if (!Array.isArray(held)) return redactObject(held);
  return held.map((each: unknown) => {
    if (each === null || typeof each !== "object" || !("value" in each)) return redactObject(each);
    return { ...each, value: REMOVED };
  });
}
