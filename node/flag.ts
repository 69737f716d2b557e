/** What is known of one flag. The flags themselves are in `flags.ts`. */

/** How a flag's text is read. `flag` is a boolean that needs no value on the command line. */
export type FlagKind = "text" | "flag" | "integer" | "number" | "duration" | "urls" | "list";

export interface Flag {
  readonly name: string;
  readonly kind: FlagKind;
  readonly fallback: string;
  /** One line for --help; null for a flag that etcd has and that means nothing here: accepted with one warning. */
  readonly help: string | null;
}

/** A flag with a meaning here. */
export function flag(name: string, kind: FlagKind, fallback: string, help: string): Flag {
  return { name, kind, fallback, help };
}

/** Flags of etcd that mean nothing here. */
export function ignored(kind: FlagKind, ...names: readonly string[]): Flag[] {
  return names.map((name) => ({ name, kind, fallback: "", help: null }));
}
