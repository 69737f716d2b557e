/** Rolls to builds that do not start, that their peers refuse, and that are good; and whoever dies once one has failed. */
import { POD, QUORATE_CLUSTER } from "../../../operator/api/resources.ts";
import type { Pod } from "../../../operator/cluster/objects.ts";
import { RETRY_ANNOTATION } from "../../../operator/cluster/operation/failed-roll.ts";
import { CLUSTER } from "./sandbox.ts";
import type { Scene, Theme } from "./themes.ts";
import { isBad } from "./withdrawals.ts";
import { NAMESPACE } from "./world.ts";

const VERSIONS = ["1.4.2", "1.4.3", "1.4.4", "1.4.5"] as const;
const HOUR = 60 * 60_000;

export const builds: Theme = {
  name: "builds",
  prepare: ({ sandbox }) => sandbox.world.refused.set("1.4.4", "it speaks another protocol"),
  strokes: [
    ({ sandbox, chaos, random }) => {
      const version = VERSIONS[random.between(0, VERSIONS.length)] ?? "1.4.3";
      chaos.note(`version ${version}`);
      sandbox.edit({ version });
    },
    tryAgain,
  ],
  finale: async (scene) => {
    const { sandbox, chaos, judges, random } = scene;
    const { time } = sandbox;
    if (!judges.withdrawals.wasWhole) {
      sandbox.edit({ version: "1.4.5" });
      await time.until("it is whole for once", HOUR, () => judges.withdrawals.wasWhole);
    }
    const version = random.chance(0.5) ? "1.4.3" : "1.4.4";
    chaos.note(`version ${version}, which stays`);
    sandbox.edit({ version });
    await time.until("a roll has failed", HOUR, () => hasFailed(scene));
    if (random.chance(0.3)) tryAgain(scene);
    for (let round = 0; round < 3; round++) {
      await time.run(random.between(1_000, 200_000));
      chaos.deletePod();
      await time.until("all are well in what works", HOUR, () => isWell(scene));
    }
  },
};

function tryAgain({ sandbox, chaos }: Scene): void {
  const word = String(chaos.log.length);
  chaos.note(`try the roll again: ${word}`);
  const metadata = { annotations: { [RETRY_ANNOTATION]: word } };
  const ref = { namespace: NAMESPACE, name: CLUSTER };
  sandbox.api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
}

function hasFailed({ sandbox }: Scene): boolean {
  const { conditions } = sandbox.cluster.status ?? {};
  return (
    conditions?.some(({ type, reason }) => type === "Stalled" && reason === "RollFailed") === true
  );
}

function isWell(scene: Scene): boolean {
  const { api, world } = scene.sandbox;
  const pods = api.store.all(POD) as Pod[];
  return (
    hasFailed(scene) &&
    !pods.some((pod) => isBad(world, pod)) &&
    world.isWhole(scene.chaos.replicas)
  );
}
