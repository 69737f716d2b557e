/** Copies, and what needs none. */
/** A deep copy of what JSON can say: many times faster than structuredClone, and tests copy all the time. */
export function copyOf<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyOf) as T;
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [name, held] of Object.entries(value)) copy[name] = copyOf(held);
  return copy as T;
}

/**
 * A deep copy that nobody can change, so that it is given out as often as it is asked for. What is frozen already is taken as it
 * is: nothing here freezes an object without all that it holds.
 */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(frozen)) as T;
  const copy: Record<string, unknown> = {};
  for (const [name, held] of Object.entries(value)) copy[name] = frozen(held);
  return Object.freeze(copy) as T;
}
