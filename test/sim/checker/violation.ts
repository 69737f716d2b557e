/** A promise that a member broke. Thrown, so that the run ends at the first one. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Ends the run unless `holds`. `claim` is the promise, `facts` are built only when it is broken. */
export function demand(holds: boolean, claim: string, facts: () => string): asserts holds {
  if (!holds) throw new Violation(`${claim}: ${facts()}`);
}
