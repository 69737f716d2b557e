/** Minor versions, up and down, and a person who does what the status says about them. */
import { QUORATE_TASK } from "../../../operator/api/resources.ts";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import type { Scene, Theme } from "./themes.ts";
import { tasksLeft } from "./themes-of-care.ts";
import { NAMESPACE } from "./world.ts";

const VERSIONS = ["1.4.2", "1.5.0", "1.5.1", "1.6.0"] as const;
const LOOK_MS = 20_000;

export const versions: Theme = {
  name: "versions",
  prepare: follow,
  strokes: [
    (scene) => wish(scene, draw(scene)),
    (scene) => wish(scene, draw(scene)),
    // For this a person gives their word, and follows it up, or thinks better of it.
    (scene) => {
      const { sandbox, random } = scene;
      const version = draw(scene);
      const name = allow(scene, version);
      const end = random.next();
      sandbox.time.after(random.between(0, 60_000), () => {
        if (end < 0.6) wish(scene, version);
        else if (end < 0.8) sandbox.api.store.delete(QUORATE_TASK, { namespace: NAMESPACE, name });
      });
    },
  ],
  surprises: [(scene) => wish(scene, draw(scene))],
  missing: ({ sandbox }) => {
    const { version } = sandbox.cluster.spec;
    const other = [...sandbox.world.processes.values()].find((each) => each.version !== version);
    return other === undefined
      ? tasksLeft(sandbox)
      : `${other.pod} is in ${other.version}, not in ${version}`;
  },
};

function draw({ random }: Scene): string {
  return VERSIONS[random.between(0, VERSIONS.length)] ?? VERSIONS[0];
}

function wish({ sandbox, chaos }: Scene, version: string): void {
  if (sandbox.cluster === null) return;
  chaos.note(`version ${version}`);
  sandbox.edit({ version });
}

/** The task's name. */
function allow({ sandbox, chaos }: Scene, version: string): string {
  const name = `down-${chaos.log.length}-${sandbox.time.now()}`;
  chaos.note(`${name}: downgrade to ${version}`);
  sandbox.task(name, { downgrade: { version } });
  return name;
}

/** What a refusal says has to come first. */
function follow(scene: Scene): void {
  const { sandbox } = scene;
  const { conditions = [] } = sandbox.cluster?.status ?? {};
  const stalled = conditions.find(({ type, status }) => type === "Stalled" && status === "True");
  const message = stalled?.message ?? "";
  const first = /skips a minor version \S+ \S+: go to (\S+) first/.exec(message)?.[1];
  const word = /spec\.version (\S+) is older .* make a QuorateTask downgrade to it/.exec(
    message,
  )?.[1];
  if (first !== undefined) wish(scene, `${first}.0`);
  const tasks = sandbox.api.store.all(QUORATE_TASK) as unknown as QuorateTask[];
  const isOpen = tasks.some(
    ({ spec, status }) =>
      spec.downgrade !== undefined && !["Complete", "Failed"].includes(status?.phase ?? ""),
  );
  if (word !== undefined && !isOpen) allow(scene, word);
  sandbox.time.after(LOOK_MS, () => follow(scene));
}
