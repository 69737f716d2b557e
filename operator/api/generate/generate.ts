/** All generated files by path from the root of the repository. */
import { RESOURCE_SCHEMAS } from "../schema/catalogue.ts";
import { emitTypes } from "./emit-types.ts";

export function generate(): Map<string, string> {
  return new Map([["operator/api/gen/types.ts", emitTypes(RESOURCE_SCHEMAS)]]);
}
