/** What the operator does: every controller, in the order in which they begin. */
import { backupControllers } from "./backup/controllers.ts";
import { CLUSTER_CONTROLLER } from "./cluster/controller.ts";
import type { ControllerDefinition } from "./context.ts";

export const CONTROLLERS: readonly ControllerDefinition[] = [
  CLUSTER_CONTROLLER,
  ...backupControllers(),
];
