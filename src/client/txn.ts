/**
 * Transactions: compare, then one list of operations or the other. The type of the result follows the operations.
 *
 *     const result = await client.kv
 *       .txn()
 *       .if(compare.missing("owner"))
 *       .do(op.put("owner", "me"))
 *       .else(op.get("owner"))
 *       .commit();
 *     if (!result.succeeded) result.responses[0]?.text; // KeyValue | null
 */
import { KV } from "../api/gen/methods.ts";
import type { RequestOp, TxnRequest, TxnResponse } from "../api/gen/kv.ts";
import type { Calls } from "./calls.ts";
import type { Compare } from "./compare.ts";
import { type Op, mismatched } from "./op.ts";
import type { CallOptions } from "./time.ts";

/** The results of operations, in their order. */
export type Results<Ops extends readonly Op<unknown>[]> = {
  readonly [At in keyof Ops]: Ops[At] extends Op<infer Result> ? Result : never;
};

export type TxnResult<Done extends readonly Op<unknown>[], Else extends readonly Op<unknown>[]> =
  | { readonly succeeded: true; readonly revision: number; readonly responses: Results<Done> }
  | { readonly succeeded: false; readonly revision: number; readonly responses: Results<Else> };

/** Grows by copies: a beginning may be used again. */
export class Txn<
  Done extends readonly Op<unknown>[] = readonly [],
  Else extends readonly Op<unknown>[] = readonly [],
> {
  readonly #calls: Calls;
  readonly #compares: readonly Compare[];
  readonly #done: Done;
  readonly #else: Else;

  constructor(calls: Calls, compares: readonly Compare[], done: Done, otherwise: Else) {
    this.#calls = calls;
    this.#compares = compares;
    this.#done = done;
    this.#else = otherwise;
  }

  /** All conditions must hold; adds to those that are there. */
  if(...compares: readonly Compare[]): Txn<Done, Else> {
    return new Txn(this.#calls, [...this.#compares, ...compares], this.#done, this.#else);
  }

  /** What happens if they hold. Not named "then": whoever awaited the builder would call it. */
  do<const Ops extends readonly Op<unknown>[]>(...ops: Ops): Txn<Ops, Else> {
    return new Txn(this.#calls, this.#compares, ops, this.#else);
  }

  /** What happens if they do not. */
  else<const Ops extends readonly Op<unknown>[]>(...ops: Ops): Txn<Done, Ops> {
    return new Txn(this.#calls, this.#compares, this.#done, ops);
  }

  /** All or nothing, at one revision. */
  async commit(options: CallOptions = {}): Promise<TxnResult<Done, Else>> {
    const kind = this.#isRead() ? "read" : "write";
    return this.#read(await this.#calls.unary(KV.txn, this.#request(), kind, options));
  }

  /** This transaction as an operation of another. */
  asOp(): Op<TxnResult<Done, Else>> {
    return {
      request: { request: { kind: "requestTxn", value: this.#request() } },
      // Even without a write it goes through the log.
      isRead: this.#isRead(),
      read: ({ response }) => {
        if (response?.kind !== "responseTxn") throw mismatched();
        return this.#read(response.value);
      },
    };
  }

  #isRead(): boolean {
    return [...this.#done, ...this.#else].every(({ isRead }) => isRead);
  }

  #request(): TxnRequest {
    const requests = (ops: readonly Op<unknown>[]): RequestOp[] => ops.map((each) => each.request);
    return {
      compare: this.#compares,
      success: requests(this.#done),
      failure: requests(this.#else),
    };
  }

  #read(response: TxnResponse): TxnResult<Done, Else> {
    const ops: readonly Op<unknown>[] = response.succeeded ? this.#done : this.#else;
    if (ops.length !== response.responses.length) throw mismatched();
    const responses = ops.map((each, at) =>
      each.read(response.responses[at] ?? { response: null }),
    );
    const revision = response.header?.revision ?? 0;
    // Each result was read by its own operation: the tuple has their types.
    return { succeeded: response.succeeded, revision, responses } as TxnResult<Done, Else>;
  }
}
