/** To TLS, away from it, and half way there, while members come and go; people turn around in the middle. */
import { POD, SECRET, STATEFUL_SET } from "../../../operator/api/resources.ts";
import type { QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import type { Pod } from "../../../operator/cluster/objects.ts";
import { schemeOfUrl, spokenBy } from "./spoken.ts";
import type { Scene, Theme } from "./themes.ts";

type Unsafe = NonNullable<QuorateClusterSpec["unsafe"]>;

const WAYS: readonly Unsafe[] = [
  { plaintext: true, acceptPlaintext: false },
  { plaintext: false, acceptPlaintext: false },
  { plaintext: false, acceptPlaintext: true },
];

function turn({ sandbox, chaos, random }: Scene): void {
  const others = WAYS.filter((way) => {
    const { plaintext = false, acceptPlaintext = false } = sandbox.cluster.spec.unsafe ?? {};
    return way.plaintext !== plaintext || way.acceptPlaintext !== acceptPlaintext;
  });
  const unsafe = others[random.between(0, others.length)];
  if (unsafe === undefined) return;
  chaos.note(`unsafe: ${JSON.stringify(unsafe)}`);
  sandbox.edit({ unsafe });
}

export const transport: Theme = {
  name: "transport",
  strokes: [turn, turn, turn],
  missing: (scene) => pending(scene),
};

/** As what is there says it, not as the operator does. */
function pending({ sandbox }: Scene): string | null {
  const { plaintext = false, acceptPlaintext = false } = sandbox.cluster.spec.unsafe ?? {};
  const { api, world } = sandbox;
  const scheme = plaintext ? "http" : "https";
  const clients = plaintext ? ["http"] : acceptPlaintext ? ["http", "https"] : ["https"];
  if (api.store.all(STATEFUL_SET).length === 0) return "there is no StatefulSet";
  for (const pod of api.store.all(POD) as Pod[]) {
    const { name } = pod.metadata;
    if (!world.processes.has(name)) continue;
    const spoken = spokenBy(pod);
    if ([...spoken.clients].toSorted().join() !== clients.join())
      return `${name} serves ${[...spoken.clients].join()}`;
    if ([...spoken.peers].join() !== scheme)
      return `${name} listens to ${[...spoken.peers].join()}`;
  }
  for (const lineage of world.lineages.values())
    for (const { url } of lineage.leader === null ? [] : lineage.seats)
      if (schemeOfUrl(url) !== scheme) return `a member is known by ${url}`;
  const secrets = api.store.all(SECRET).map(({ metadata }) => metadata.name);
  const left = secrets.filter((name) => /-(tls|ca)$/.test(name));
  if (plaintext && left.length > 0) return `${left.join(", ")} are left`;
  return null;
}
