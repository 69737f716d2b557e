/** All generated files by path from the root of the repository. */
import { RESOURCE_SCHEMAS } from "../schema/catalogue.ts";
import { emitCrd } from "./emit-crd.ts";
import { emitReference } from "./emit-reference.ts";
import { emitTypes } from "./emit-types.ts";

export function generate(): Map<string, string> {
  const files = new Map([
    ["operator/api/gen/types.ts", emitTypes(RESOURCE_SCHEMAS)],
    ["operator/api/REFERENCE.md", emitReference(RESOURCE_SCHEMAS)],
  ]);
  for (const schema of RESOURCE_SCHEMAS)
    files.set(`manifests/crd/${schema.resource.plural}.yaml`, emitCrd(schema));
  return files;
}
