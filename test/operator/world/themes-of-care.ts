/** Themes in which nothing is lost: sleep, volumes, certificates, what people ask for, a pause. */
import { QUORATE_CLUSTER, QUORATE_TASK, SECRET } from "../../../operator/api/resources.ts";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import type { Secret } from "../../../operator/cluster/objects.ts";
import { CLUSTER } from "./sandbox.ts";
import { alarmsLeft, fillUp, watchRoom } from "./theme-space.ts";
import type { Scene, Theme } from "./themes.ts";
import { ROTATE_ANNOTATION } from "../../../operator/cluster/operation/authority.ts";
import { NAMESPACE } from "./world.ts";

/** `replicas: 0`, and after a while not any more. */
export const sleep: Theme = {
  name: "sleep",
  strokes: [
    ({ chaos, random, sandbox }) => {
      chaos.scaleTo(0);
      sandbox.time.after(random.between(1_000, 60_000), () => {
        if (chaos.replicas === 0) chaos.scaleTo(random.chance(0.5) ? 3 : 5);
      });
    },
  ],
  tidy: ({ chaos }) => {
    if (chaos.replicas === 0) chaos.scaleTo(3);
  },
};

/** One of what people ask for once, of a member that there is or is not. */
function ask({ sandbox, chaos, random }: Scene): void {
  const member = `${CLUSTER}-${random.between(0, 4)}`;
  const action = [
    { defragment: {} },
    { moveLeader: {} },
    { moveLeader: { to: member } },
    { replaceMember: { member } },
  ][random.between(0, 4)];
  if (action === undefined) return;
  const name = `task-${chaos.log.length}`;
  chaos.note(`${name}: ${JSON.stringify(action)}`);
  sandbox.task(name, { ...action, ttlSecondsAfterFinished: random.chance(0.5) ? 10 : 3_600 });
}

export const tasks: Theme = {
  name: "tasks",
  prepare: watchRoom,
  strokes: [ask, ask, fillUp],
  missing: ({ sandbox }) => tasksLeft(sandbox) ?? alarmsLeft(sandbox.world.alarms),
};

export function tasksLeft({ api }: Scene["sandbox"]): string | null {
  const all = api.store.all(QUORATE_TASK) as unknown as QuorateTask[];
  const open = all.find(({ status }) => !["Complete", "Failed"].includes(status?.phase ?? ""));
  return open === undefined ? null : `${open.metadata.name}: ${open.status?.message ?? "unseen"}`;
}

const LEAVES = ["kv-server-tls", "kv-peer-tls", "kv-client-tls", "kv-operator-tls"];

/** One Secret at a time: where the authority's key and a leaf are gone together, nobody can make one that is trusted already. */
function loseSecret({ sandbox, chaos, random }: Scene): void {
  const held = (name: string): Secret | null =>
    sandbox.api.store.get(SECRET, { namespace: NAMESPACE, name }) as Secret | null;
  const isWhole =
    held("kv-ca")?.data?.["tls.key"] !== undefined && LEAVES.every((name) => held(name) !== null);
  if (!isWhole) return;
  const name = random.chance(0.5) ? "kv-ca" : (LEAVES[random.between(0, LEAVES.length)] ?? "");
  chaos.note(`the Secret ${name} is deleted`);
  sandbox.api.store.delete(SECRET, { namespace: NAMESPACE, name });
}

export const certificates: Theme = {
  name: "certificates",
  spec: { unsafe: { plaintext: false }, tls: { authorityOverlap: "5s" } },
  strokes: [
    ({ sandbox, chaos, random }) => {
      const word = String(random.between(1, 3));
      chaos.note(`rotate the authority: ${word}`);
      const metadata = { annotations: { [ROTATE_ANNOTATION]: word } };
      const ref = { namespace: NAMESPACE, name: CLUSTER };
      sandbox.api.store.mergePatch(QUORATE_CLUSTER, ref, { metadata }, "person");
    },
    loseSecret,
  ],
  missing: ({ sandbox }) => {
    const word = sandbox.cluster.metadata.annotations?.[ROTATE_ANNOTATION] ?? null;
    const { rotated, operation } = sandbox.journal ?? { rotated: null, operation: null };
    return rotated === word && operation === null ? null : `rotated ${rotated}, asked ${word}`;
  },
};

export const pause: Theme = {
  name: "pause",
  strokes: [
    ({ sandbox, chaos, random }) => {
      chaos.note("paused");
      sandbox.edit({ paused: true });
      sandbox.time.after(random.between(1_000, 60_000), () => sandbox.edit({ paused: false }));
    },
  ],
  tidy: ({ sandbox }) => sandbox.edit({ paused: false }),
};
