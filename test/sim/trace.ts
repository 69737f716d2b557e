/** What happened, folded into one number: two runs of a seed are the same run if their hashes are equal. */

/** Everything a trace can name. The numbers only feed the hash. */
export const What = {
  send: 1,
  deliver: 2,
  lose: 3,
  write: 4,
  written: 5,
  torn: 6,
  apply: 7,
  role: 8,
  crash: 9,
  restart: 10,
  stall: 11,
  resume: 12,
  part: 13,
  heal: 14,
  propose: 15,
  read: 16,
  confirm: 17,
  lost: 18,
  change: 19,
  transfer: 20,
  offer: 21,
  adopt: 22,
  offerEnd: 23,
  compact: 24,
  join: 25,
  leave: 26,
  slow: 27,
  phase: 28,
} as const;
export type What = keyof typeof What;

export class Trace {
  #a = 0x811c9dc5;
  #b = 0x1b873593;
  #count = 0;
  readonly #now: () => number;
  /** Where lines of text go; null to keep only the hash. */
  readonly #print: ((line: string) => void) | null;
  readonly #reached = new Map<string, number>();

  constructor(now: () => number, print: ((line: string) => void) | null) {
    this.#now = now;
    this.#print = print;
  }

  get count(): number {
    return this.#count;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const half = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return half(this.#a) + half(this.#b);
  }

  /** How often each fault was injected and each rare branch reached. */
  get reachedCounts(): ReadonlyMap<string, number> {
    return this.#reached;
  }

  /** Whether `detail` texts are wanted: building them costs. */
  get verbose(): boolean {
    return this.#print !== null;
  }

  /** `member` is 0 where none is meant; `x` and `y` are whatever tells this event from others of its kind. */
  record(what: What, member: number, x: number, y: number, detail = ""): void {
    this.#count++;
    this.#fold(What[what] * 64 + member);
    this.#fold(this.#now() * 1000);
    this.#fold(x);
    this.#fold(y);
    if (this.#print === null) return;
    const at = this.#now().toFixed(1).padStart(8);
    this.#print(`${at} ${String(member).padStart(2)} ${what.padEnd(8)} ${x} ${y} ${detail}`);
  }

  /** A rare branch was taken: a long run's sum must show none at zero. */
  reached(name: string): void {
    this.#reached.set(name, (this.#reached.get(name) ?? 0) + 1);
  }

  #fold(value: number): void {
    const word = value | 0;
    this.#a = Math.imul(this.#a ^ word, 0x01000193) ^ (this.#a >>> 15);
    this.#b = Math.imul(this.#b ^ word, 0xcc9e2d51) ^ (this.#b >>> 13);
  }
}
