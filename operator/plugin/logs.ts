/** `logs`: what the members print, each line after the name of its pod where there are several. */
import { POD } from "../api/resources.ts";
import { CLUSTER_LABEL } from "../cluster/names.ts";
import { KubeError, type KubeObject, type LogOptions } from "../kube/api.ts";
import type { Arguments } from "./arguments.ts";
import { type Session, clusterOf, refOf, refuse } from "./session.ts";

export async function showLogs(session: Session, args: Arguments): Promise<void> {
  const [cluster = "", member] = args.operands;
  await clusterOf(session, cluster);
  const pods = member === undefined ? await podsOf(session, cluster) : [member];
  if (pods.length === 0) throw refuse(`${cluster} has no pods`);
  const options: LogOptions = {
    container: "quorate",
    follow: args.follow,
    previous: args.previous,
    ...(args.tailLines === null ? {} : { tailLines: args.tailLines }),
  };
  const prefixed = pods.length > 1;
  const one = async (pod: string): Promise<void> => {
    const prefix = prefixed ? `${pod} ` : "";
    for await (const line of logLines(session, pod, options)) session.out(`${prefix}${line}\n`);
  };
  if (args.follow) await Promise.all(pods.map(one));
  else for (const pod of pods) await one(pod);
}

/** Of this cluster, in the order of their ordinals. */
export async function podsOf(session: Session, cluster: string): Promise<string[]> {
  const { namespace } = session;
  const labelSelector = `${CLUSTER_LABEL}=${cluster}`;
  const { items } = await session.api.list<KubeObject>(POD, { namespace, labelSelector });
  const names = items.map(({ metadata }) => metadata.name);
  return names.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** Whole lines. What cannot be read is said in a line. */
export async function* logLines(
  session: Session,
  pod: string,
  options: LogOptions,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of session.api.logs(refOf(session, pod), options, session.signal)) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (thrown) {
    if (session.signal.aborted) return;
    if (!(thrown instanceof KubeError)) throw thrown;
    yield `(${thrown.message})`;
  }
  if (rest !== "") yield rest;
}
