/** What a pass may do: one of these, and then it ends. */
import type { RaisedAlarm } from "../admin.ts";
import type { KubeObject, Resource } from "../kube/api.ts";
import type { Leaf } from "./certificates.ts";
import type { Journal } from "./journal.ts";
import type { Origin } from "./restore-port.ts";

export interface AppliedObject {
  readonly resource: Resource;
  readonly object: KubeObject;
}

export type Action =
  /** Writes the intention, if the journal is still the one that was read. */
  | { readonly kind: "journal"; readonly document: Journal }
  /** Owned objects that are not as they shall be. Objects of others are refused. */
  | { readonly kind: "apply"; readonly objects: readonly AppliedObject[] }
  /** Owned objects that shall not be any more. */
  | {
      readonly kind: "deleteOwned";
      readonly resource: Resource;
      readonly name: string;
      readonly uid: string;
    }
  /** Of the pod of this ordinal, before there is one. */
  | { readonly kind: "createClaim"; readonly ordinal: number }
  /** Reads a restore's source through, while the members serve; and is not needed any more. */
  | { readonly kind: "checkJob"; readonly origin: Origin }
  | { readonly kind: "deleteCheckJob" }
  | { readonly kind: "restoreJob"; readonly origin: Origin }
  /** It has ended, and nobody knows with what. */
  | { readonly kind: "deleteRestoreJob" }
  /** The operator's authority for this cluster. */
  | { readonly kind: "makeAuthority" }
  | { readonly kind: "issue"; readonly leaf: Leaf }
  /** Trust a new authority too; sign with it; trust it alone. */
  | { readonly kind: "turnAuthority"; readonly stage: "introduce" | "promote" | "retire" }
  /** Renders the boot ConfigMap from the journal, if that is newer than what it holds. */
  | { readonly kind: "bootFiles" }
  /** Labels and annotations of one pod. */
  | {
      readonly kind: "markPod";
      readonly name: string;
      readonly uid: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }
  | { readonly kind: "scale"; readonly replicas: number; readonly resourceVersion: string }
  /** Leaves the pods alone: it is made again with another claim template. */
  | { readonly kind: "orphanStatefulSet"; readonly uid: string }
  /** With its pods: only when the cluster itself is deleted. */
  | { readonly kind: "deleteStatefulSet"; readonly uid: string }
  | {
      readonly kind: "deletePod";
      readonly name: string;
      readonly uid: string;
      /** Only if nothing of it has changed since it was seen: for a pod that goes because nothing runs in it. */
      readonly resourceVersion?: string;
    }
  /** Refused while the member list, read once more, has a member at `vacated`; null: a person said so. */
  | {
      readonly kind: "deleteClaim";
      readonly name: string;
      readonly uid: string;
      readonly vacated: string | null;
    }
  | { readonly kind: "expandClaim"; readonly name: string; readonly size: string }
  | { readonly kind: "memberAdd"; readonly peerUrl: string }
  /** By this URL the member is known from now on, and by no other. */
  | { readonly kind: "memberMove"; readonly id: string; readonly peerUrl: string }
  | { readonly kind: "memberPromote"; readonly id: string }
  | { readonly kind: "memberRemove"; readonly id: string }
  | { readonly kind: "moveLeader"; readonly from: string; readonly targetId: string }
  | { readonly kind: "disarm"; readonly alarm: RaisedAlarm }
  /** What leaves no trace to find it by: done again if the journal could not be written afterwards, which does no harm. */
  | { readonly kind: "compact"; readonly revision: number; readonly afterwards: Journal }
  | { readonly kind: "defragment"; readonly member: string; readonly afterwards: Journal }
  | { readonly kind: "secureRoot"; readonly afterwards: Journal }
  /** What root's password may be from now on, for whoever logs in after this. */
  | { readonly kind: "notePasswords"; readonly passwords: readonly string[] }
  | { readonly kind: "taskStatus"; readonly task: string; readonly changes: TaskProgress }
  | { readonly kind: "deleteTask"; readonly task: string; readonly uid: string }
  | { readonly kind: "finalizer"; readonly present: boolean }
  /** Nothing can be done now. `reason` is one word, `message` says for what it waits and, if `stalled`, what a person may do. */
  | Wait
  /** Everything is as the spec has it. */
  | { readonly kind: "settled" };

export interface Wait {
  readonly kind: "wait";
  readonly reason: string;
  readonly message: string;
  readonly afterMs: number;
  /** It will not go on by itself. */
  readonly stalled: boolean;
}

export interface TaskProgress {
  readonly phase: "Pending" | "Running" | "Complete" | "Failed";
  readonly message: string;
  readonly operationID?: string;
  readonly revision?: number;
}

const SOON_MS = 2_000;
const STALLED_MS = 30_000;

export function wait(reason: string, message: string, afterMs: number = SOON_MS): Wait {
  return { kind: "wait", reason, message, afterMs, stalled: false };
}

export function stalled(reason: string, message: string): Wait {
  return { kind: "wait", reason, message, afterMs: STALLED_MS, stalled: true };
}
