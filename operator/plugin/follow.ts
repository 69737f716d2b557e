/** Waits for what the operator was asked to do, and says how far it is. */
import { QuorateError } from "../../src/base/errors.ts";
import { KubeError, type KubeObject, type Resource } from "../kube/api.ts";
import { sleep } from "../time.ts";
import { type Session, refOf } from "./session.ts";

interface Phased extends KubeObject {
  readonly status?: { readonly phase?: string | undefined; readonly message?: string | undefined };
}

const WATCH_SECONDS = 300;
const RETRY_MS = 1000;

/** Resolves with the object once its phase is Complete; throws when it is Failed, deleted, or takes too long. */
export async function follow<T extends Phased>(
  session: Session,
  resource: Resource,
  name: string,
  timeoutMs: number,
): Promise<T> {
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([session.signal, late]);
  let told = "";
  const look = (object: T | null): T | null => {
    if (object === null) throw new QuorateError("aborted", `${resource.kind} ${name} was deleted`);
    const { phase = "Pending", message = "" } = object.status ?? {};
    const line = message === "" ? phase : `${phase}: ${message}`;
    if (line !== told) session.note(line);
    told = line;
    if (phase === "Failed") throw new QuorateError("aborted", message === "" ? phase : message);
    return phase === "Complete" ? object : null;
  };
  while (!signal.aborted) {
    try {
      const done = await once<T>(session, resource, name, signal, look);
      if (done !== null) return done;
    } catch (thrown) {
      if (signal.aborted) break;
      if (!(thrown instanceof KubeError) || thrown.code === "forbidden") throw thrown;
      await sleep(session.time, RETRY_MS, signal);
    }
  }
  const why = late.aborted ? `it took longer than ${timeoutMs / 1000} s` : "interrupted";
  throw new QuorateError("aborted", `${why}; ${resource.kind} ${name} goes on by itself`);
}

/** One list and one watch. Null: the watch ended first. */
async function once<T extends Phased>(
  session: Session,
  resource: Resource,
  name: string,
  signal: AbortSignal,
  look: (object: T | null) => T | null,
): Promise<T | null> {
  const { namespace } = refOf(session, name);
  const options = { namespace, fieldSelector: `metadata.name=${name}` };
  const { items, resourceVersion } = await session.api.list<T>(resource, options);
  const already = look(items[0] ?? null);
  if (already !== null) return already;
  const request = { ...options, resourceVersion, timeoutSeconds: WATCH_SECONDS };
  for await (const event of session.api.watch(resource, request, signal)) {
    if (event.type === "BOOKMARK") continue;
    const done = look(event.type === "DELETED" ? null : (event.object as T));
    if (done !== null) return done;
  }
  return null;
}
