/** What a controller is made of, and what it is given. */
import type { Logger, Random } from "../src/base/ports.ts";
import type { OperatorConfig } from "./config.ts";
import type { KubeApi, ObjectRef, Recorder } from "./kube/api.ts";
import type { Reconcile, Source } from "./kube/controller.ts";
import type { Time } from "./time.ts";

/** What is known of a cluster's backups. */
export interface ClusterBackups {
  /** Since 1970; null: there was none. */
  readonly lastSuccessSeconds: number | null;
  /** Null: not known, or nothing is promised. */
  readonly healthy: boolean | null;
}

export interface ScheduleBackups {
  /** That it backs up. */
  readonly cluster: string;
  readonly lastSuccessSeconds: number | null;
  /** Null: it is suspended, or has no further time. */
  readonly intervalSeconds: number | null;
}

/** What is told to whoever watches the operator; null: the object is gone. */
export interface BackupGauges {
  cluster(ref: ObjectRef, told: ClusterBackups | null): void;
  schedule(ref: ObjectRef, told: ScheduleBackups | null): void;
}

export interface OperatorContext {
  readonly api: KubeApi;
  readonly time: Time;
  readonly random: Random;
  readonly logger: Logger;
  readonly recorder: Recorder;
  readonly gauges: BackupGauges;
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
