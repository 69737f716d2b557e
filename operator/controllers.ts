/** What the operator does: every controller, in the order in which they begin. */
import { backupControllers } from "./backup/controllers.ts";
import { Restores } from "./backup/restores.ts";
import { clusterController } from "./cluster/controller.ts";
import type { ControllerDefinition } from "./context.ts";

export const CONTROLLERS: readonly ControllerDefinition[] = [
  clusterController((kube) => new Restores(kube)),
  ...backupControllers(),
];
