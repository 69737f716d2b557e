/** All generated files by name. */
import { emitFile, emitMethods, emitRegistry } from "./emit-file.ts";
import { readSchema } from "./schema.ts";

export function generate(protoFolder: string): Map<string, string> {
  const schema = readSchema(protoFolder);
  const files = new Map<string, string>();
  for (const file of schema.files) files.set(`${file.name}.ts`, emitFile(schema, file));
  files.set("methods.ts", emitMethods(schema));
  files.set("registry.ts", emitRegistry(schema));
  return files;
}
