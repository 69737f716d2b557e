/** One command of the plugin, from its arguments to its end. */
import { unreachable } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { KubeError } from "../kube/api.ts";
import type { Arguments } from "./arguments.ts";
import * as ask from "./ask.ts";
import { showLogs } from "./logs.ts";
import { writeReport } from "./report.ts";
import type { Session } from "./session.ts";
import { showMembers, showStatus } from "./show.ts";

/** Throws a `QuorateError` with the sentence to print, or a `KubeError`. */
export async function run(session: Session, args: Arguments): Promise<void> {
  try {
    await obey(session, args);
  } catch (thrown) {
    // Not even an object's name: it is the kind that the API server does not know.
    if (!(thrown instanceof KubeError && thrown.code === "notFound" && thrown.object === null))
      throw thrown;
    throw new QuorateError(
      "configuration",
      "this Kubernetes does not know Quorate's resources: install the operator first",
      thrown,
    );
  }
}

async function obey(session: Session, args: Arguments): Promise<void> {
  switch (args.verb) {
    case "status":
      return await showStatus(session, args);
    case "members":
      return await showMembers(session, args);
    case "backup":
      return await ask.backup(session, args);
    case "restore":
      return await ask.restore(session, args);
    case "move-leader":
      return await ask.moveLeader(session, args);
    case "defrag":
      return await ask.defragment(session, args);
    case "replace":
      return await ask.replaceMember(session, args);
    case "recover":
      return await ask.recover(session, args);
    case "pause":
      return await ask.setPaused(session, args, true);
    case "resume":
      return await ask.setPaused(session, args, false);
    case "logs":
      return await showLogs(session, args);
    case "report":
      return await writeReport(session, args);
    default:
      return unreachable(args.verb);
  }
}
