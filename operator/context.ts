/** What a controller is made of, and what it is given. */
import type { Logger, Random } from "../src/base/ports.ts";
import type { OperatorConfig } from "./config.ts";
import type { KubeApi, Recorder } from "./kube/api.ts";
import type { Reconcile, Source } from "./kube/controller.ts";
import type { Time } from "./time.ts";

export interface OperatorContext {
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder: Recorder;
  readonly config: OperatorConfig;
  /** Quorate's, which is the operator's. */
  readonly version: string;
}

/** Made when the operator starts; passes begin when it leads. */
export interface BuiltController {
  readonly reconcile: Reconcile;
  /** Ends what it holds open; no pass is under way by then. */
  readonly close?: () => Promise<void>;
}

/** One row of operator/controllers.ts. */
export interface ControllerDefinition {
  readonly name: string;
  /** The kind that it reconciles comes first. */
  readonly sources: readonly Source[];
  /** Passes at a time; as --workers says unless given. */
  readonly workers?: number;
  readonly build: (context: OperatorContext) => BuiltController;
}
