/** What helm renders, without what only helm understands. */
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";

/** From the repository's root. */
export const INSTALL_PATH = "manifests/install.yaml";
const NAMESPACE = "quorate-system";
const HELM_ONLY: ReadonlySet<string> = new Set(["app.kubernetes.io/managed-by", "helm.sh/chart"]);

interface Rendered {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** For helm: renders the chart of the repository at `root` as `installManifest` wants it. */
export function templateArguments(root: string): string[] {
  const chart = join(root, "charts/quorate-operator");
  return ["template", "quorate-operator", chart, `--namespace=${NAMESPACE}`, "--kube-version=1.36"];
}

/** YAML of a namespace, which asks for Pod Security `restricted`, and of everything but hooks. */
export function installManifest(rendered: string): string {
  const objects = parseAllDocuments(rendered)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null)
    .filter(({ metadata }) => metadata.annotations?.["helm.sh/hook"] === undefined);
  const documents = [namespace(), ...objects.map(withoutHelm)].map((object) =>
    stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 }),
  );
  const head = "# Made from charts/quorate-operator by `npm run generate:install`.\n";
  return head + documents.join("---\n");
}

function namespace(): object {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: NAMESPACE,
      labels: { "pod-security.kubernetes.io/enforce": "restricted" },
    },
  };
}

function withoutHelm(object: Rendered): object {
  const { annotations, labels, ...metadata } = object.metadata;
  const kept = (map: Readonly<Record<string, string>> = {}): [string, string][] =>
    Object.entries(map).filter(([key]) => !HELM_ONLY.has(key) && !key.startsWith("helm.sh/"));
  return {
    ...object,
    metadata: {
      ...metadata,
      ...(labels === undefined ? {} : { labels: Object.fromEntries(kept(labels)) }),
      ...(kept(annotations).length === 0
        ? {}
        : { annotations: Object.fromEntries(kept(annotations)) }),
    },
  };
}
