/** Root's password: changed while it is being set, and another one in what is restored. */
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import { QUORATE_TASK, SECRET } from "../../../operator/api/resources.ts";
import { parsePasswords } from "../../../operator/cluster/operation/auth.ts";
import { textOf } from "./company.ts";
import type { Scene, Theme } from "./themes.ts";
import { restore } from "./themes-of-loss.ts";
import { NAMESPACE } from "./world.ts";

const SECRET_NAME = "root";
const FIRST = "0";
const LOOK_MS = 20_000;
/** For the time that the old one has to be there before the new one comes. */
const PATIENCE_MS = 60_000;

/** Members ask everybody for it. */
export const passwords: Theme = {
  name: "passwords",
  spec: { auth: { rootSecretRef: { name: SECRET_NAME } } },
  prepare: (scene) => {
    setPassword(scene, FIRST);
    watchLogin(scene);
  },
  strokes: [
    (scene) => {
      const { chaos } = scene;
      chaos.note("another password");
      setPassword(scene, String(chaos.log.length));
    },
  ],
  missing: ({ sandbox }) => {
    const wanted = textOf(sandbox, SECRET_NAME, "password");
    const { rootPassword } = sandbox.world;
    if (rootPassword !== wanted) return `root has ${rootPassword}, not ${wanted}`;
    const noted = parsePasswords(textOf(sandbox, "kv-operator-auth", "passwords") || "[]");
    return noted.length === 1 ? null : `${noted.length} passwords are noted`;
  },
};

/** What is restored has the password of its time. */
export const logins: Theme = {
  ...passwords,
  name: "logins",
  prepare: (scene) => {
    passwords.prepare?.(scene);
    restore.prepare?.(scene);
  },
  strokes: [
    ...passwords.strokes,
    (scene) => {
      for (const stroke of restore.strokes) stroke(scene);
      // The snapshot may be of the first days.
      if (scene.random.chance(0.7)) scene.sandbox.restores.password = FIRST;
    },
  ],
  missing: (scene) => passwords.missing?.(scene) ?? restore.missing?.(scene) ?? null,
};

/** The same, where a certificate names root, so that nobody is locked out. */
export const namedLogins: Theme = {
  ...logins,
  name: "named logins",
  spec: { ...logins.spec, unsafe: { plaintext: false } },
};

/** A person who reads that the operator cannot log in gives it the password of that time, and the wanted one afterwards. */
function watchLogin(scene: Scene): void {
  const { sandbox, chaos } = scene;
  const { conditions = [] } = sandbox.cluster?.status ?? {};
  const isTold = conditions.some(({ message }) => message.includes("authentication failed"));
  const wanted = textOf(sandbox, SECRET_NAME, "password");
  const { rootPassword } = sandbox.world;
  // Without a restore nobody may ever be locked out.
  const tasks = sandbox.api.store.all(QUORATE_TASK) as unknown as QuorateTask[];
  const isRestored = tasks.some(({ spec }) => spec.restore !== undefined);
  if (isRestored && isTold && rootPassword !== null && rootPassword !== wanted) {
    chaos.note(`the password is ${rootPassword} once more, and ${wanted} in a minute`);
    setPassword(scene, rootPassword);
    sandbox.time.after(PATIENCE_MS, () => setPassword(scene, wanted));
  }
  sandbox.time.after(LOOK_MS + (isTold ? 2 * PATIENCE_MS : 0), () => watchLogin(scene));
}

function setPassword({ sandbox }: Scene, password: string): void {
  const data = { password: Buffer.from(password).toString("base64") };
  const metadata = { name: SECRET_NAME, namespace: NAMESPACE };
  const object = { apiVersion: "v1", kind: "Secret", metadata, data };
  sandbox.api.store.apply(SECRET, object, "person");
}
