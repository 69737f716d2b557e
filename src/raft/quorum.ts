/** The arithmetic of majorities. */

/** How many of `count` voters make a majority; 1 of 0, so that nobody decides anything before there are voters. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The greatest value that a majority has reached: with the values in descending order, the one at place majority - 1.
 * Sorts `values` in place (insertion: there are seldom more than seven). 0 if there are none.
 */
export function majorityReached(values: number[]): number {
  const count = values.length;
  for (let at = 1; at < count; at++) {
    const value = values[at] ?? 0;
    let to = at;
    for (; to > 0 && (values[to - 1] ?? 0) < value; to--) values[to] = values[to - 1] ?? 0;
    values[to] = value;
  }
  return values[majority(count) - 1] ?? 0;
}

export type VoteResult = "won" | "lost" | "pending";

/** What the ballots say so far: `granted` and `rejected` of `voters`, the rest silent. */
export function voteResult(voters: number, granted: number, rejected: number): VoteResult {
  const needed = majority(voters);
  if (granted >= needed) return "won";
  // Lost once the silent ones could not make up a majority any more.
  return voters - rejected < needed ? "lost" : "pending";
}
