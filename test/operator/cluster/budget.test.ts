/** What a drain may take away while a cluster grows and shrinks. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { POD_DISRUPTION_BUDGET } from "../../../operator/api/resources.ts";
import { quorumOf } from "../../../operator/cluster/view.ts";
import { MINUTE, lineageOf, settled } from "../world/settled.ts";
import type { Sandbox } from "../world/sandbox.ts";

function leastAvailable({ api }: Sandbox): number | null {
  const [budget] = api.store.all(POD_DISRUPTION_BUDGET);
  return budget === undefined ? null : (budget.spec?.["minAvailable"] as number);
}

it("a budget keeps a quorum of the voters at every moment of growing and shrinking, and lets one go at rest", async () => {
  await settled(
    71,
    async (sandbox) => {
      assert.equal(leastAvailable(sandbox), null, "a lone member may be drained");
      const breaches = new Set<string>();
      for (const replicas of [3, 5, 3, 1]) {
        sandbox.edit({ replicas });
        await sandbox.time.until(`${replicas}`, 15 * MINUTE, () => {
          const voters = lineageOf(sandbox).seats.filter(({ learner }) => !learner).length;
          const least = leastAvailable(sandbox);
          if (voters > 1 && (least ?? 0) < quorumOf(voters))
            breaches.add(`${least} of ${voters} voters on the way to ${replicas}`);
          return sandbox.isSettled(replicas);
        });
        await sandbox.time.run(5_000);
        assert.equal(leastAvailable(sandbox), replicas === 1 ? null : quorumOf(replicas));
      }
      assert.deepEqual([...breaches], []);
    },
    { replicas: 1 },
  );
});
