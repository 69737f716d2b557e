/**
 * Takes out of a transcript what two correct clusters may differ in: identifiers, addresses, times, sizes, versions and raft
 * counters. Everything else must be equal, byte for byte.
 */

/** Fixed replacements first (addresses and folders), then the general patterns. */
export class Normaliser {
  readonly #fixed: readonly (readonly [string, string])[];
  readonly #ids = new Map<bigint, string>();

  constructor(fixed: readonly (readonly [string, string])[]) {
    // Longest first, so that an address that is the start of another is not replaced inside it.
    this.#fixed = fixed.toSorted((a, b) => b[0].length - a[0].length);
  }

  text(raw: string): string {
    let text = raw;
    for (const [from, to] of this.#fixed) text = text.replaceAll(from, to);
    text = text
      .replace(/"ts":"[^"]*"/g, '"ts":"<time>"')
      .replace(/\/\/0x[0-9a-f]+\//g, "//<pointer>/");
    // Identifiers: 64 bits, in hexadecimal or decimal, the same name whichever way they are written.
    text = text.replace(/\b0x([0-9a-f]{9,16})\b/g, (_, hex: string) =>
      this.#id(BigInt(`0x${hex}`)),
    );
    text = text.replace(/\b-?\d{16,20}\b/g, (digits) =>
      this.#id(BigInt.asUintN(64, BigInt(digits))),
    );
    text = text.replace(/\b[0-9a-f]{12,16}\b/g, (hex) => this.#id(BigInt(`0x${hex}`)));
    for (const [pattern, to] of VARIABLE) text = text.replace(pattern, to);
    return text;
  }

  #id(value: bigint): string {
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const name = `<id ${this.#ids.size + 1}>`;
    this.#ids.set(value, name);
    return name;
  }
}

const VARIABLE: readonly (readonly [RegExp, string])[] = [
  [/("?\braft_?term"?\s*:\s*)\d+/gi, "$1<term>"],
  [/("?\braft_?index"?\s*:\s*)\d+/gi, "$1<index>"],
  [/("?\braft_?applied_?index"?\s*:\s*)\d+/gi, "$1<index>"],
  [/("?\bdb_?size(_?in_?use)?"?\s*:\s*)\d+/gi, "$1<size>"],
  [/\b\d+(\.\d+)?[µm]s\b|\b\d+\.\d+s\b/g, "<time>"],
  [/"took":"[^"]*"/g, '"took":"<time>"'],
  [/remaining\(\d+s\)/g, "remaining(<time>)"],
  // A lease's remaining time, but neither what was granted nor 0 and -1, which mean something.
  [/("ttl":)[1-9]\d*/g, "$1<time>"],
  [/("TTL" : )[1-9]\d*/g, "$1<time>"],
  [/\b3\.[5-7]\.\d+\b/g, "<version>"],
];
