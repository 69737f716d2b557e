/** The care of single members: state, alarms, space, hashes, snapshots. `endpoint` names the member that is meant. */
import {
  AlarmAction,
  type AlarmMember,
  AlarmType,
  DowngradeAction,
  type HashKVResponse,
  type StatusResponse,
} from "../api/gen/maintenance.ts";
import { Maintenance as MaintenanceService } from "../api/gen/methods.ts";
import type { Calls, MemberCallOptions } from "./calls.ts";
import { ClientError } from "./error.ts";
import { readServerStream } from "./server-stream.ts";
import type { CallOptions } from "./time.ts";

export { AlarmType, type AlarmMember, type HashKVResponse, type StatusResponse };

/** A part of a snapshot. */
export interface SnapshotPiece {
  readonly bytes: Uint8Array;
  /** Of the database, without the hash at its end. */
  readonly remainingBytes: number;
  /** The storage version, as `3.6.0`; empty from servers before 3.6. */
  readonly version: string;
}

/** What may take as long as there is data. */
const LONG: CallOptions = {
  timeoutMs: Number.POSITIVE_INFINITY,
  attemptTimeoutMs: Number.POSITIVE_INFINITY,
};

export class Maintenance {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** What the member knows of itself; needs neither a leader nor a majority. */
  async status(options: MemberCallOptions = {}): Promise<StatusResponse> {
    return await this.#calls.unary(MaintenanceService.status, {}, "local", options);
  }

  async alarms(options: CallOptions = {}): Promise<readonly AlarmMember[]> {
    const request = { action: AlarmAction.get, memberId: 0n, alarm: AlarmType.none };
    return (await this.#calls.unary(MaintenanceService.alarm, request, "read", options)).alarms;
  }

  /** Ends an alarm; answers what was ended. */
  async disarm(alarm: AlarmMember, options: CallOptions = {}): Promise<readonly AlarmMember[]> {
    const request = { action: AlarmAction.deactivate, ...alarm };
    return (await this.#calls.unary(MaintenanceService.alarm, request, "write", options)).alarms;
  }

  /** Gives space back to the file system. Has no deadline unless `timeoutMs` is given. */
  async defragment(options: MemberCallOptions = {}): Promise<void> {
    const long = { ...LONG, ...options };
    await this.#calls.unary(MaintenanceService.defragment, {}, "local", long);
  }

  /** The hash of all history up to `revision` (the newest unless given): equal among members at equal revisions. */
  async hashKv(
    options: MemberCallOptions & { readonly revision?: number | undefined } = {},
  ): Promise<HashKVResponse> {
    const request = { revision: options.revision ?? 0 };
    const long = { ...LONG, ...options };
    return await this.#calls.unary(MaintenanceService.hashKv, request, "local", long);
  }

  /** Hands leadership to this member. Finds the leader among the client's endpoints unless `endpoint` is given. */
  async moveLeader(targetId: bigint, options: MemberCallOptions = {}): Promise<void> {
    const endpoint = options.endpoint ?? (await this.leader(options));
    const request = { targetId };
    const there = { ...options, endpoint };
    await this.#calls.unary(MaintenanceService.moveLeader, request, "write", there);
  }

  /** The endpoint of the member that leads. Fails with "unavailable" where none of the client's endpoints does. */
  async leader(options: CallOptions = {}): Promise<string> {
    const asked = this.#calls.endpoints.names.map(async (endpoint) => {
      const { leader, header } = await this.status({ ...options, endpoint });
      if (leader !== 0n && header?.memberId === leader) return endpoint;
      throw new ClientError("unavailable", "not leader", { endpoint });
    });
    try {
      return await Promise.any(asked);
    } catch (thrown) {
      throw new ClientError("unavailable", "no endpoint is the leader's", { cause: thrown });
    }
  }

  /**
   * A snapshot of the member's database, in etcd's format, piece by piece: to be written to a file as it comes. The last
   * piece ends with the SHA-256 of all before it. A stream that breaks fails: begin again.
   */
  async *snapshot(options: MemberCallOptions = {}): AsyncGenerator<SnapshotPiece, void, undefined> {
    const pieces = readServerStream(this.#calls, MaintenanceService.snapshot, {}, options);
    for await (const { blob, remainingBytes, version } of pieces)
      yield { bytes: blob, remainingBytes, version };
  }

  /** Prepares, begins or ends the way to an older version; answers the cluster's version. */
  async downgrade(
    action: keyof typeof DowngradeAction,
    version: string,
    options: CallOptions = {},
  ): Promise<string> {
    const request = { action: DowngradeAction[action], version };
    const kind = action === "validate" ? "read" : "write";
    return (await this.#calls.unary(MaintenanceService.downgrade, request, kind, options)).version;
  }
}
