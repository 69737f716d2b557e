/** Alarms: raised and cleared through the log, so that all members refuse the same writes. */
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import type { CommandKind } from "../api/gen/command.ts";
import { Bucket } from "../backend/buckets.ts";
import type { BucketWriter } from "../backend/backend.ts";
import {
  AlarmAction,
  AlarmType,
  decodeAlarmMember,
  encodeAlarmMember,
} from "../api/gen/maintenance.ts";
import type { AlarmMember, AlarmRequest } from "../api/gen/maintenance.ts";
import { holdsPut } from "./command.ts";

export class Alarms {
  readonly #writer: BucketWriter;
  /** By `<type>/<member>`. */
  readonly #raised = new Map<string, AlarmMember>();

  constructor(writer: BucketWriter) {
    this.#writer = writer;
  }

  /** Takes in one stored record. */
  load(payload: Uint8Array): void {
    const alarm = decodeAlarmMember(payload);
    this.#raised.set(nameOf(alarm), alarm);
  }

  list(type: number = AlarmType.none): readonly AlarmMember[] {
    const all = [...this.#raised.values()];
    return type === AlarmType.none ? all : all.filter((alarm) => alarm.alarm === type);
  }

  isRaised(type: number): boolean {
    return this.#raised.size > 0 && this.list(type).length > 0;
  }

  /** The history of `member` is known to be wrong: what it would read must not be told to anybody. */
  isCorrupt(member: bigint): boolean {
    return this.#raised.size > 0 && this.#raised.has(`${AlarmType.corrupt}/${member}`);
  }

  /** What the alarms forbid. NOSPACE refuses growth alone; CORRUPT every write. */
  refusal(kind: CommandKind): ApiError | null {
    switch (kind.kind) {
      case "put":
      case "leaseGrant":
        if (this.isRaised(AlarmType.nospace)) return API_ERRORS.noSpace;
        break;
      case "txn":
        if (this.isRaised(AlarmType.nospace) && holdsPut(kind.value)) return API_ERRORS.noSpace;
        break;
      case "deleteRange":
      case "compaction":
      case "leaseRevoke":
        break;
      default:
        return null;
    }
    return this.isRaised(AlarmType.corrupt) ? API_ERRORS.corrupt : null;
  }

  /** Ends the alarms of all other members, which are gone; those of nobody (0) are for a person to end. */
  leaveOnly(member: bigint): void {
    for (const { memberId, alarm } of this.list()) {
      if (memberId === member || memberId === 0n) continue;
      this.apply({ action: AlarmAction.deactivate, memberId, alarm });
    }
  }

  /** The alarms that the request concerns, as etcd answers them. */
  apply(request: AlarmRequest): readonly AlarmMember[] {
    const alarm: AlarmMember = { memberId: request.memberId, alarm: request.alarm };
    const name = nameOf(alarm);
    switch (request.action) {
      case AlarmAction.get:
        return this.list(request.alarm);
      case AlarmAction.activate:
        if (request.alarm === AlarmType.none) return [];
        if (!this.#raised.has(name)) {
          this.#raised.set(name, alarm);
          this.#writer.put(Bucket.alarms, alarmKey(alarm), encodeAlarmMember(alarm));
        }
        return [alarm];
      case AlarmAction.deactivate:
        if (!this.#raised.delete(name)) return [];
        this.#writer.delete(Bucket.alarms, alarmKey(alarm));
        return [alarm];
      default:
        return [];
    }
  }
}

function nameOf(alarm: AlarmMember): string {
  return `${alarm.alarm}/${alarm.memberId}`;
}

/** Its key within the bucket `alarms`. */
export function alarmKey(alarm: AlarmMember): Uint8Array {
  const key = Buffer.alloc(9);
  key[0] = alarm.alarm;
  key.writeBigUInt64BE(alarm.memberId, 1);
  return key;
}
