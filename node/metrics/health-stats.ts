/** Outcomes of the health checks that were asked for over HTTP. */

export interface CheckOutcome {
  readonly type: "livez" | "readyz";
  readonly name: string;
  succeeded: number;
  failed: number;
  lastOk: boolean;
}

export class HealthStats {
  /** Of /health. */
  succeeded = 0;
  failed = 0;
  /** Of /livez and /readyz, each check that was run. */
  readonly checks: Map<string, CheckOutcome> = new Map();

  onHealth(ok: boolean): void {
    if (ok) this.succeeded++;
    else this.failed++;
  }

  onCheck(type: "livez" | "readyz", name: string, ok: boolean): void {
    const key = `${type}/${name}`;
    let outcome = this.checks.get(key);
    if (outcome === undefined) {
      outcome = { type, name, succeeded: 0, failed: 0, lastOk: ok };
      this.checks.set(key, outcome);
    }
    outcome.lastOk = ok;
    if (ok) outcome.succeeded++;
    else outcome.failed++;
  }
}
