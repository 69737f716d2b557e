/** What is planned, asked in one word. */
import assert from "node:assert/strict";
import type { Action } from "../../../operator/cluster/action.ts";
import type { Operation } from "../../../operator/cluster/journal.ts";
import { plan } from "../../../operator/cluster/plan.ts";
import { type Sketch, factsOf } from "./facts.ts";

export function next(sketch: Sketch): Action {
  return plan(factsOf(sketch));
}

/** The operation that begins, or goes on. */
export function operationOf(action: Action): Operation | null {
  assert.equal(action.kind, "journal", JSON.stringify(action));
  return action.kind === "journal" ? action.document.operation : null;
}

export function waits(sketch: Sketch): { readonly reason: string; readonly stalled: boolean } {
  const action = next(sketch);
  assert.equal(action.kind, "wait", JSON.stringify(action));
  return action.kind === "wait" ? action : { reason: "", stalled: false };
}
