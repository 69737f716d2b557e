/** What goes wrong on the way to the API server and back. */
import { KubeError } from "../../../operator/kube/api.ts";
import { type Time, sleep } from "../../../operator/time.ts";

export interface Call {
  readonly verb:
    | "get"
    | "list"
    | "create"
    | "update"
    | "apply"
    | "applyStatus"
    | "patch"
    | "delete"
    | "evict"
    | "watch"
    | "discover"
    | "scale"
    | "logs";
  /** The plural. */
  readonly resource: string;
  readonly namespace: string | null;
  /** Empty where the call is about many. */
  readonly name: string;
  /** Who calls: the operator, or a part of the test. */
  readonly manager: string;
}

export interface Fault {
  /** What it befalls; a field that is missing matches all. By default the operator's calls alone. */
  readonly on: Partial<Call>;
  /** How often; 1 unless given. */
  readonly times?: number;
  /** "before": the call has no effect. "after": it had, and the answer is lost. */
  readonly when?: "before" | "after";
  /** Milliseconds that the call takes first. */
  readonly delayMs?: number;
  /** What the caller gets; null: the call goes on, late. */
  readonly error: KubeError | null;
}

/** Called at each end of each call; one that throws or waits does so to the caller. */
export type Hook = (call: Call, when: "before" | "after") => void | Promise<void>;

export class Faults {
  readonly #time: Time;
  readonly #planned: { readonly fault: Fault; left: number }[] = [];
  /** Everything that was asked, in order. */
  readonly calls: Call[] = [];
  hook: Hook = () => {};

  constructor(time: Time) {
    this.#time = time;
  }

  plan(fault: Fault): void {
    this.#planned.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#planned.length = 0;
  }

  async pass(call: Call, when: "before" | "after"): Promise<void> {
    if (when === "before") this.calls.push(call);
    await this.hook(call, when);
    const found = this.#planned.find(
      ({ fault, left }) => left > 0 && (fault.when ?? "before") === when && befalls(fault.on, call),
    );
    if (found === undefined) return;
    found.left--;
    const { delayMs = 0, error } = found.fault;
    if (delayMs > 0) await sleep(this.#time, delayMs);
    if (error !== null) throw error;
  }
}

function befalls(on: Partial<Call>, call: Call): boolean {
  const wanted = { manager: "quorate-operator", ...on };
  return Object.entries(wanted).every(([name, value]) => call[name as keyof Call] === value);
}

export function unreachable(): KubeError {
  return new KubeError("unavailable", "the API server is not reached: connect ECONNREFUSED");
}
