/** What the operator does: every controller, in the order in which they begin. */
import type { ControllerDefinition } from "./context.ts";

export const CONTROLLERS: readonly ControllerDefinition[] = [];
