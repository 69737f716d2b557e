/**
 * A disk in memory for the log, which forgets at a crash what was never durable. Faults stay within what a real disk may
 * do: the one write under way lands in any subset of its 512-byte sectors, or up to any byte of one; an interrupted
 * creation or removal happened or did not; what settled stays.
 */
import { assert, present } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/ports.ts";
import type { LogDevice } from "../../src/wal/fs.ts";

const SECTOR = 512;

/** What survives: the files as they are on the platter. */
export class LogDisk {
  readonly files: Map<string, Uint8Array> = new Map();
  /** Bytes that files may take together; creations beyond are refused. */
  roomBytes: number = Infinity;
  /** Every change since the start, in order, for those who count or watch the order of operations. */
  readonly operations: string[] = [];

  /** A copy that goes its own way. */
  clone(): LogDisk {
    const copy = new LogDisk();
    for (const [name, bytes] of this.files) copy.files.set(name, bytes.slice());
    copy.roomBytes = this.roomBytes;
    return copy;
  }

  get usedBytes(): number {
    let sum = 0;
    for (const { length } of this.files.values()) sum += length;
    return sum;
  }
}

interface Operation {
  readonly what: string;
  /** Makes it durable. Throws if it cannot be done. */
  readonly land: () => void;
  /** A crash came first. */
  readonly tear: (random: Random) => void;
}

export interface MemoryLogDeviceOptions {
  readonly disk: LogDisk;
  /** Runs an operation's end later; the default is the next microtask. A simulator passes its own clock's. */
  readonly schedule?: (run: () => void) => void;
  /** Called as each operation begins. May throw, to fail it, or call `crash`. */
  readonly onOperation?: (what: string) => void;
}

/** One life of a process over a disk. After `crash` nothing settles any more; open another one over the same disk. */
export class MemoryLogDevice implements LogDevice {
  readonly #disk: LogDisk;
  readonly #schedule: (run: () => void) => void;
  readonly #onOperation: (what: string) => void;
  readonly #underWay = new Set<Operation>();
  #writing = false;
  #dead = false;

  constructor(options: MemoryLogDeviceOptions) {
    this.#disk = options.disk;
    this.#schedule = options.schedule ?? queueMicrotask;
    this.#onOperation = options.onOperation ?? (() => {});
  }

  /** The power goes: each operation under way is left as the random source decides. */
  crash(random: Random): void {
    if (this.#dead) return;
    this.#dead = true;
    for (const operation of this.#underWay) operation.tear(random);
    this.#underWay.clear();
  }

  get dead(): boolean {
    return this.#dead;
  }

  list(): readonly string[] {
    return [...this.#disk.files.keys()].toSorted();
  }

  sizeOf(name: string): number {
    return this.#file(name).length;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const file = this.#file(name);
    if (offset + length > file.length) throw new QuorateError("storage", `${name} ends before`);
    return file.slice(offset, offset + length);
  }

  buffer(size: number): Uint8Array {
    return new Uint8Array(size);
  }

  create(name: string, size: number, recycled: string | null): Promise<void> {
    const land = (): void => {
      const { files } = this.#disk;
      assert(!files.has(name), "a file is created once");
      if (recycled === null) {
        if (this.#disk.usedBytes + size > this.#disk.roomBytes) {
          throw new QuorateError("resourceExhausted", `create ${name}: no room`);
        }
        files.set(name, new Uint8Array(size));
        return;
      }
      const bytes = this.#file(recycled);
      assert(bytes.length === size, "a recycled file keeps its size");
      files.delete(recycled);
      files.set(name, bytes);
    };
    const what = recycled === null ? `create ${name}` : `rename ${recycled} ${name}`;
    return this.#perform({ what, land, tear: (random) => eitherWay(random, land) });
  }

  remove(name: string): Promise<void> {
    const land = (): void => {
      this.#file(name);
      this.#disk.files.delete(name);
    };
    const tear = (random: Random): void => eitherWay(random, land);
    return this.#perform({ what: `remove ${name}`, land, tear });
  }

  write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    assert(!this.#writing, "one write is in flight");
    assert(offset + bytes.length <= this.sizeOf(name), "a write stays within its file");
    this.#writing = true;
    const land = (): void => {
      this.#writing = false;
      this.#file(name).set(bytes, offset);
    };
    const tear = (random: Random): void => tearWrite(this.#file(name), offset, bytes, random);
    return this.#perform({ what: `write ${name} ${offset} ${bytes.length}`, land, tear });
  }

  async close(): Promise<void> {
    if (!this.#dead) assert(this.#underWay.size === 0, "nothing is under way at close");
    this.#dead = true;
  }

  #file(name: string): Uint8Array {
    return present(this.#disk.files.get(name), `${name} is on the disk`);
  }

  #perform(operation: Operation): Promise<void> {
    if (this.#dead) return new Promise(() => {});
    this.#underWay.add(operation);
    this.#disk.operations.push(operation.what);
    return new Promise((resolve, reject) => {
      try {
        this.#onOperation(operation.what);
      } catch (error) {
        this.#underWay.delete(operation);
        reject(error);
        return;
      }
      this.#schedule(() => {
        if (!this.#underWay.delete(operation)) return;
        try {
          operation.land();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function eitherWay(random: Random, land: () => void): void {
  if (random.next() < 0.5) return;
  try {
    land();
  } catch {
    // It could not have been done, so it was not.
  }
}

/** Nothing, all, a prefix, or some sectors of the write are there. */
function tearWrite(file: Uint8Array, offset: number, bytes: Uint8Array, random: Random): void {
  const choice = random.next();
  if (choice < 0.2) return;
  if (choice < 0.4) {
    file.set(bytes, offset);
    return;
  }
  if (choice < 0.7) {
    file.set(bytes.subarray(0, random.between(0, bytes.length + 1)), offset);
    return;
  }
  for (let at = 0; at < bytes.length; at += SECTOR) {
    if (random.next() < 0.5) file.set(bytes.subarray(at, at + SECTOR), offset + at);
  }
}
