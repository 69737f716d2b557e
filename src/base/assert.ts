/** Assertions: on in production, because a broken invariant must end the process before it spreads. */

/** A false assertion: a bug of ours, never a client's mistake. The process does not survive it. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Ends the turn with an `AssertionError` unless `condition` holds. `message` says what holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The value, known to be there. */
export function present<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}

/** The `default` of a switch over a closed union: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

let verifying = false;

/** Turns the costly checks on. Tests and the simulator do; production does not. */
export function setVerifying(on: boolean): void {
  verifying = on;
}

/** A check too costly for production: `holds` runs only where verification is on. */
export function verify(holds: () => boolean, message: string): void {
  if (verifying) assert(holds(), message);
}
