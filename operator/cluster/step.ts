/** Steps of operations, as journal writes. Pure. */
import type { Action } from "./action.ts";
import {
  type FinishedOperation,
  type Journal,
  type Operation,
  finished,
  revised,
  withBootFile,
} from "./journal.ts";
import type { View } from "./view.ts";

/** For one step; a step that takes longer is called stalled, and goes on all the same. */
const STEP_MS = 600_000;

/** Only in a new operation: what its type alone knows. */
export type OperationStart = Operation extends infer One
  ? One extends Operation
    ? Omit<One, "id" | "attempts" | "startedAt" | "deadline" | "task">
    : never
  : never;

export function write(view: View, changes: Partial<Journal>): Action {
  return { kind: "journal", document: revised(view.journal, changes) };
}

export function begin(
  view: View,
  start: OperationStart,
  changes: Partial<Journal> = {},
  task: string | null = null,
): Action {
  const { journal, facts } = view;
  const counter = journal.counter + 1;
  return write(view, { ...changes, counter, operation: started(start, journal, facts.now, task) });
}

/** The operation as it stands at its beginning. */
export function started(
  start: OperationStart,
  journal: Pick<Journal, "counter" | "adopted">,
  now: number,
  task: string | null,
): Operation {
  return {
    ...start,
    id: `${journal.adopted.generation}-${journal.counter + 1}`,
    attempts: 0,
    startedAt: new Date(now).toISOString(),
    deadline: deadline(now),
    task,
  };
}

function deadline(now: number): string {
  return new Date(now + STEP_MS).toISOString();
}

/** The next step, with whatever else is to be remembered at the same time. */
export function proceed<One extends Operation>(
  view: View,
  operation: One,
  changes: Partial<One> & { readonly step: string },
  beside: Partial<Journal> = {},
): Action {
  const next: One = {
    ...operation,
    attempts: changes.step === operation.step ? operation.attempts + 1 : 0,
    deadline: deadline(view.facts.now),
    ...changes,
  };
  return write(view, { ...beside, operation: next });
}

export function finish(
  view: View,
  outcome: FinishedOperation["outcome"],
  message: string,
  beside: Partial<Journal> = {},
): Action {
  return write(view, {
    ...beside,
    ...finished(view.journal, outcome, message, view.facts.now),
  });
}

/** No ticket for this member any more; what fences it stays. */
export function revoked(view: View, name: string): Journal["boot"] {
  const file = view.journal.boot[name];
  if (file === undefined || file.ticket === null) return view.journal.boot;
  return withBootFile(view.journal, name, { ...file, ticket: null });
}
