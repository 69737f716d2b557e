/**
 * Maintenance.Downgrade: announces that the cluster is to go down by one minor version, and takes that back. As in etcd it
 * changes what the cluster calls itself; nothing that is stored depends on it.
 */
import { API_ERRORS } from "../../src/api/catalogue.ts";
import {
  decodeDowngradeRequest,
  DowngradeAction,
  encodeDowngradeInfo,
  encodeDowngradeResponse,
} from "../../src/api/gen/maintenance.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { CommandField } from "../../src/machine/command.ts";
import { clusterVersionOf, olderMinor, parseMinor, type Minor } from "../cluster-version.ts";
import { fail, failWith, linearize, proposeOwn, refusalError } from "./answer.ts";
import { headerOf } from "./headers.ts";
import type { Host } from "./host.ts";

export function downgrade(host: Host, call: ServerCall, message: Uint8Array): void {
  const { action, version } = decodeDowngradeRequest(message);
  const work = workOf(host, action, version);
  if (work === null) {
    fail(call, API_ERRORS.unknownMethod);
    return;
  }
  work.then(
    (answered) => {
      const header = headerOf(host, host.machine.store.revision);
      call.reply(encodeDowngradeResponse({ header, version: answered }));
    },
    (error: unknown) => failWith(call, error),
  );
}

/** Resolves with the cluster version, `major.minor`; null for an action that nobody knows. */
function workOf(host: Host, action: number, version: string): Promise<string> | null {
  switch (action) {
    case DowngradeAction.validate:
      return validate(host, version).then(() => shownVersion(host));
    case DowngradeAction.enable:
      return enable(host, version);
    case DowngradeAction.cancel:
      return cancel(host);
    default:
      return null;
  }
}

/** Rejects where the cluster cannot go to `version` now. Resolves with what that is. */
async function validate(host: Host, version: string): Promise<Minor> {
  const target = parseMinor(version);
  if (target === null) throw refusalError(API_ERRORS.wrongDowngradeFormat);
  await linearize(host);
  const allowed = olderMinor(clusterVersionOf(host.machine));
  if (target.major !== allowed.major || target.minor !== allowed.minor) {
    throw refusalError(API_ERRORS.invalidDowngradeTarget);
  }
  if (host.machine.versions.downgrade.enabled) throw refusalError(API_ERRORS.downgradeInProcess);
  return target;
}

async function enable(host: Host, version: string): Promise<string> {
  const { major, minor } = await validate(host, version);
  const targetVersion = `${major}.${minor}.0`;
  await propose(host, true, targetVersion);
  host.logger.info({ targetVersion }, "a downgrade of the cluster was announced");
  return shownVersion(host);
}

/** Answers well even where there is nothing to cancel, as etcd does. */
async function cancel(host: Host): Promise<string> {
  try {
    await linearize(host);
    if (!host.machine.versions.downgrade.enabled) {
      throw refusalError(API_ERRORS.noInflightDowngrade);
    }
    await propose(host, false, "");
    host.logger.info({}, "the downgrade of the cluster was canceled");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    host.logger.warn({ reason }, "no downgrade was canceled");
  }
  return shownVersion(host);
}

async function propose(host: Host, enabled: boolean, targetVersion: string): Promise<void> {
  const body = Buffer.from(encodeDowngradeInfo({ enabled, targetVersion }));
  await proposeOwn(host, CommandField.downgrade, body);
}

function shownVersion(host: Host): string {
  return clusterVersionOf(host.machine).replace(/\.\d+$/, "");
}
