/** A cluster that has settled, with the operator that goes on with it: where tests of single operations begin. */
import assert from "node:assert/strict";
import type { QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import type { Lineage, Seat } from "./consensus.ts";
import { Sandbox } from "./sandbox.ts";

export const MINUTE = 60_000;

/** Of three members unless `spec` says otherwise. `act` begins with an empty list of actions. */
export async function settled(
  seed: number,
  act: (sandbox: Sandbox) => Promise<void>,
  spec: Partial<QuorateClusterSpec> = {},
): Promise<void> {
  const sandbox = new Sandbox(seed);
  const stop = new AbortController();
  const { replicas = 3 } = spec;
  sandbox.create({ replicas, ...spec });
  const operating = sandbox.operate(sandbox.reconciler(), stop.signal);
  try {
    await sandbox.time.until("the cluster settles", 10 * MINUTE, () => sandbox.isSettled(replicas));
    sandbox.actions.length = 0;
    await act(sandbox);
  } catch (thrown) {
    const { conditions } = sandbox.cluster.status ?? {};
    console.error(sandbox.failures.at(-1), sandbox.actions.slice(-5), sandbox.journal?.operation);
    console.error(conditions?.map(({ type, status, message }) => `${type} ${status}: ${message}`));
    throw thrown;
  } finally {
    stop.abort();
    await sandbox.time.run(10);
    await operating;
  }
}

/** The one that serves. */
export function lineageOf({ world }: Sandbox): Lineage {
  const serving = [...world.lineages.values()].filter(({ leader }) => leader !== null);
  const [lineage] = serving;
  if (lineage === undefined || serving.length > 1)
    throw new Error(`${serving.length} clusters serve`);
  return lineage;
}

export function seatOf(sandbox: Sandbox, pod: string): Seat | undefined {
  return lineageOf(sandbox).seats.find(({ url }) => url.includes(`//${pod}.`));
}

/** Of the member there; there has to be one. */
export function idOf(sandbox: Sandbox, pod: string): string {
  const seat = seatOf(sandbox, pod);
  assert.ok(seat !== undefined, `${pod} is a member`);
  return seat.id;
}

export function voters(sandbox: Sandbox): number {
  return lineageOf(sandbox).seats.filter(({ learner }) => !learner).length;
}
