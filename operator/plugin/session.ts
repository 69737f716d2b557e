/** What every command of the plugin works with. */
import type { QuorateCluster } from "../api/gen/types.ts";
import { QUORATE_CLUSTER } from "../api/resources.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { KubeApi, KubeExtras, ObjectRef } from "../kube/api.ts";
import type { Time } from "../time.ts";

export interface Session {
  readonly api: KubeApi & KubeExtras;
  readonly namespace: string;
  readonly time: Time;
  /** Fires when the person has had enough. */
  readonly signal: AbortSignal;
  /** For the result. */
  readonly out: (text: string) => void;
  /** For what goes on meanwhile. */
  readonly note: (line: string) => void;
  readonly writeFile: (path: string, bytes: Uint8Array) => Promise<void>;
}

export function refuse(sentence: string): QuorateError {
  return new QuorateError("configuration", sentence);
}

export function refOf(session: Session, name: string): ObjectRef {
  return { namespace: session.namespace, name };
}

/** The cluster of this name; throws a sentence where there is none. */
export async function clusterOf(session: Session, name: string): Promise<QuorateCluster> {
  const found = await session.api.get<QuorateCluster>(QUORATE_CLUSTER, refOf(session, name));
  if (found === null)
    throw refuse(`there is no QuorateCluster ${name} in the namespace ${session.namespace}`);
  return found;
}
