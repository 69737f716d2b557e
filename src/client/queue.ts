/**
 * The queue behind locks and elections, as etcd's own clients keep it, so that they may stand in one together: a key
 * `<name>/<lease id in hex>` for each who waits, and whose key was created first is first.
 */
import { API_ERRORS } from "../api/catalogue.ts";
import { type Bytes, toText } from "./bytes.ts";
import type { Client } from "./client.ts";
import { compare } from "./compare.ts";
import { ClientError } from "./error.ts";
import { op } from "./op.ts";

/** A place in the queue. It is kept as long as its lease. */
export interface Place {
  /** `<name>/`. */
  readonly prefix: string;
  readonly key: string;
  /** Revision at which the place was taken: the order, and a number that only grows from one holder to the next. */
  readonly revision: number;
}

/** Takes a place with this value, or finds the one that the lease has. Safe to repeat. */
export async function takePlace(
  client: Client,
  name: string,
  lease: bigint,
  value: Bytes,
  signal: AbortSignal,
): Promise<Place> {
  const prefix = `${name}/`;
  const key = `${prefix}${BigInt.asUintN(64, lease).toString(16)}`;
  const txn = client.kv
    .txn()
    .if(compare.missing(key))
    .do(op.put(key, value, { lease }))
    .else(op.get(key));
  for (;;) {
    try {
      const result = await txn.commit({ signal });
      if (result.succeeded) return { prefix, key, revision: result.revision };
      const [row] = result.responses;
      if (row !== null) return { prefix, key, revision: row.createRevision };
    } catch (thrown) {
      // The same again finds what the lost one did.
      if (!(thrown instanceof ClientError && thrown.outcomeUnknown) || signal.aborted) throw thrown;
    }
  }
}

/** Resolves when nobody is before the place any more. */
export async function awaitTurn(client: Client, place: Place, signal: AbortSignal): Promise<void> {
  for (;;) {
    const before = await client.kv.range(
      { prefix: place.prefix },
      {
        limit: 1,
        sort: { by: "create", order: "descend" },
        maxCreateRevision: place.revision - 1,
        keysOnly: true,
        signal,
      },
    );
    const [last] = before.rows;
    if (last === undefined) return;
    await awaitDeletion(client, toText(last.key), before.revision + 1, signal);
  }
}

/** Resolves at once where the place's key is still as it was; fails where its lease has ended. */
export async function assertHeld(client: Client, place: Place, signal: AbortSignal): Promise<void> {
  const row = await client.kv.get(place.key, { signal });
  if (row?.createRevision === place.revision) return;
  throw new ClientError("aborted", API_ERRORS.lockSessionExpired.text);
}

/** Gives the place up, if it is still the same. Safe to repeat. */
export async function leavePlace(client: Client, place: Place): Promise<void> {
  await client.kv
    .txn()
    .if(compare.createRevision(place.key, "=", place.revision))
    .do(op.delete(place.key))
    .commit();
}

async function awaitDeletion(
  client: Client,
  key: string,
  fromRevision: number,
  signal: AbortSignal,
): Promise<void> {
  const watch = client.watch(key, { fromRevision, only: "deletes", signal });
  for await (const { events } of watch) {
    if (events.length > 0) return;
  }
  signal.throwIfAborted();
}
