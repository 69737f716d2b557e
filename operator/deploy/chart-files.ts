/** A chart can read no file outside itself: what it needs of the repository is copied into it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { CLUSTER_RULES, EDIT_RULES, NAMESPACED_RULES, OWN_RULES, VIEW_RULES } from "../rbac.ts";

const FILES = "charts/quorate-operator/files";
/** Folders below manifests that the chart holds as well. */
const COPIED: readonly string[] = ["crd", "monitoring"];

/** Each file's path from the repository's root, and its text. */
export function chartFiles(root: string): Map<string, string> {
  const files = new Map([[`${FILES}/rbac.yaml`, renderRules()]]);
  for (const folder of COPIED) {
    const from = join(root, "manifests", folder);
    for (const name of existsSync(from) ? readdirSync(from) : [])
      files.set(`${FILES}/${folder}/${name}`, readFileSync(join(from, name), "utf8"));
  }
  return files;
}

/** Lists of rules by where they hold, as templates/rbac.yaml reads them. */
function renderRules(): string {
  const sets = {
    namespaced: NAMESPACED_RULES,
    cluster: CLUSTER_RULES,
    own: OWN_RULES,
    view: VIEW_RULES,
    edit: EDIT_RULES,
  };
  const body = stringify(sets, { aliasDuplicateObjects: false, lineWidth: 0 });
  return `# Made from operator/rbac.ts by \`npm run generate\`.\n${body}`;
}
