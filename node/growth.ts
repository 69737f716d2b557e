/** Whether the store may grow: not beyond its quota, and not where the log has no room left. */
import { API_ERRORS, type ApiError } from "../src/api/catalogue.ts";
import { AlarmAction, AlarmType } from "../src/api/gen/maintenance.ts";
import type { Host } from "./rpc/host.ts";
import { raiseAlarm } from "./rpc/maintenance.ts";

export class Growth {
  readonly #host: Host;
  #raisingAlarm = false;
  #logFull = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** The log found no room for its next file, or found it again. */
  setLogFull(full: boolean): void {
    const { logger } = this.#host;
    this.#logFull = full;
    if (full) logger.error({}, "no room for the log: writes are refused until there is");
    else logger.info({}, "there is room for the log again");
  }

  /** What forbids a write of `bytes`; null if nothing does. */
  refusal(bytes: number): ApiError | null {
    if (this.#logFull) return API_ERRORS.noSpace;
    const host = this.#host;
    if (host.dbSize() + bytes < host.config.quotaBytes) return null;
    void this.#raiseNoSpace();
    return API_ERRORS.noSpace;
  }

  async #raiseNoSpace(): Promise<void> {
    const host = this.#host;
    if (this.#raisingAlarm || host.machine.alarms.isRaised(AlarmType.nospace)) return;
    this.#raisingAlarm = true;
    const { quotaBytes } = host.config;
    host.logger.warn({ dbSize: host.dbSize(), quota: quotaBytes }, "the quota is reached");
    try {
      await raiseAlarm(host, AlarmType.nospace, AlarmAction.activate);
    } catch {
      // The next write tries again.
    } finally {
      this.#raisingAlarm = false;
    }
  }
}
