/** Transactions of ranges alone: no log entry, one read index (none if every range is serializable). */
import type { ApiError } from "../../src/api/catalogue.ts";
import type { TxnRequest } from "../../src/api/gen/kv.ts";
import type { ServerCall } from "../../src/grpc/service.ts";
import { Executor } from "../../src/machine/txn.ts";
import type { ReadFailure, ReadTimes, ReadWaiter } from "../reads.ts";
import type { Timeline } from "../timeline.ts";
import { readPhases, type Phases, type Trace } from "../trace.ts";
import { fail, failWith, READ_ERRORS } from "./answer.ts";
import { describeTxn } from "./describe.ts";
import type { Host } from "./host.ts";
import { outdated, type Principal } from "./principal.ts";
import { answerWith } from "./txn-response.ts";

/** `request` must own its bytes. */
export function readOnlyTxn(
  host: Host,
  call: ServerCall,
  request: TxnRequest,
  who: Principal | null,
): void {
  const waiter = new ReadTxnCall(host, call, request, who);
  const ops = [...request.success, ...request.failure];
  const serializable = ops.every(
    ({ request: op }) => op?.kind === "requestRange" && op.value.serializable,
  );
  if (serializable) waiter.onReadable(null);
  else host.loop.linearize(waiter);
}

class ReadTxnCall implements ReadWaiter, Trace {
  readonly #host: Host;
  readonly #call: ServerCall;
  readonly #request: TxnRequest;
  #times: ReadTimes | null = null;
  #readable = false;
  readonly #who: Principal | null;

  constructor(host: Host, call: ServerCall, request: TxnRequest, who: Principal | null) {
    this.#host = host;
    this.#call = call;
    this.#request = request;
    call.trace = this;
    this.#who = who;
  }

  /** Null times: nobody had to be asked. */
  onReadable(times: ReadTimes | null): void {
    if (this.#call.isCrowded) {
      this.#call.onRoom(() => this.onReadable(times));
      return;
    }
    this.#times = times;
    this.#readable = true;
    const { machine } = this.#host;
    const executor = new Executor(machine.store, machine.lessor);
    try {
      const branch = executor.branch(this.#request);
      const error = outdated(this.#host, this.#who) ?? executor.check(branch);
      if (error !== null) {
        fail(this.#call, error);
        return;
      }
      const op = executor.read(branch);
      const pin = machine.store.pin(executor.here());
      const refusal = (): ApiError | null => outdated(this.#host, this.#who);
      const release = (): void => pin.release();
      answerWith(this.#host, this.#call, op, machine.store.revision, release, refusal);
    } catch (error) {
      failWith(this.#call, error);
    }
  }

  onReadFailure(failure: ReadFailure): void {
    fail(this.#call, READ_ERRORS[failure]);
  }

  describe(): object {
    return { op: "txn", ...describeTxn(this.#request) };
  }

  phases(_timeline: Timeline, startMs: number, endMs: number): Phases {
    if (this.#readable && this.#times === null) return { read: endMs - startMs };
    return readPhases(this.#times, startMs, endMs);
  }
}
