/** What the cluster calls itself: the version that all members serve, or the one that it is going down to. */
import { encodeClusterVersionSet } from "../src/api/gen/command.ts";
import type { Logger } from "../src/base/ports.ts";
import { CommandField } from "../src/machine/command.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { Loop } from "./loop.ts";
import type { RequestIds } from "./request-ids.ts";
import { proposeOwn } from "./rpc/answer.ts";
import { CLUSTER_VERSION } from "./version.ts";

export interface Minor {
  readonly major: number;
  readonly minor: number;
}

/** `major.minor.patch`. */
export function clusterVersionOf(machine: Pick<Machine, "versions">): string {
  return machine.versions.cluster ?? CLUSTER_VERSION;
}

/**
 * Major and minor of `X.Y` or of a semantic version, as etcd reads them (leading zeros are no harm); null where it is
 * neither.
 */
export function parseMinor(text: string): Minor | null {
  const found = /^(\d+)\.(\d+)(?:\.(\d+)(?:-([0-9A-Za-z.-]*))?(?:\+([0-9A-Za-z.-]*))?)?$/.exec(
    text,
  );
  if (found === null) return null;
  const [, major = "", minor = "", patch = "0"] = found;
  const tooLong = [major, minor, patch].some((part) => BigInt(part) > INT64_MAX);
  return tooLong ? null : { major: Number(major), minor: Number(minor) };
}

const INT64_MAX = 2n ** 63n - 1n;

/** The only version that a cluster may go down to. */
export function olderMinor(version: string): Minor {
  const { major, minor } = parseMinor(version) ?? { major: 0, minor: 0 };
  return { major, minor: minor - 1 };
}

export interface ClusterVersionHost {
  readonly machine: Machine;
  readonly logger: Logger;
  readonly loop: Loop;
  readonly requestIds: RequestIds;
}

/** The leader's care for it: what it is follows what was announced, within a second or two. */
export class ClusterVersion {
  readonly #host: ClusterVersionHost;
  #proposing = false;

  constructor(host: ClusterVersionHost) {
    this.#host = host;
  }

  /** Once a second, on the leader. */
  tick(): void {
    const { machine, logger } = this.#host;
    const { enabled, targetVersion } = machine.versions.downgrade;
    const wanted = enabled ? targetVersion : CLUSTER_VERSION;
    const before = clusterVersionOf(machine);
    if (this.#proposing || before === wanted) return;
    this.#proposing = true;
    const body = Buffer.from(encodeClusterVersionSet({ version: wanted }));
    proposeOwn(this.#host, CommandField.clusterVersion, body)
      .then(
        () => logger.info({ before, version: wanted }, "the cluster version changed"),
        () => {}, // the next second tries again
      )
      .finally(() => {
        this.#proposing = false;
      });
  }
}
