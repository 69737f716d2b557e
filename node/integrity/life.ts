/**
 * How the process before this one ended. LevelDB ends the whole process where a damaged block breaks one of its assertions: no
 * error is thrown, and every start would run into the same block. So a start after such an end reads all checksums of the
 * store's files before LevelDB opens them.
 */
import type { Logger } from "../../src/base/ports.ts";
import { verifyFiles } from "../../src/backend/level/verify.ts";
import type { DataDir } from "../data-dir.ts";

/** Whoever lived that long did not end because of what it read at its start. */
const SETTLED_MS = 300_000;
/** Lives in a row that ended without a word after the store was open. One is a kill or a power cut, as happens. */
const ENDS_MAX = 2;

interface Former {
  /** It ended while it opened its store. */
  readonly opening: boolean;
  /** Short lives in a row, that one included. */
  readonly ends: number;
}

export class Life {
  readonly #dataDir: DataDir;
  readonly #former: Former;
  #timer: NodeJS.Timeout | null = null;

  /** Takes the place of the process before this one. Call `opened` and `over`. */
  constructor(dataDir: DataDir) {
    this.#dataDir = dataDir;
    this.#former = parse(dataDir.readLife());
    this.#note("opening", this.#former.ends + 1);
  }

  /** Throws "corruption", naming the file, where the end of the process before this one lay in a damaged store. */
  async checkStore(directory: string, logger: Logger): Promise<void> {
    const { opening, ends } = this.#former;
    if (!opening && ends < ENDS_MAX) return;
    logger.warn(
      { ends },
      "the process ended without a word before: reading all checksums of the store",
    );
    let bytes = 0;
    for await (const part of verifyFiles(directory, null)) bytes += part;
    logger.info({ bytes }, "the files of the store are whole");
  }

  /** The store is open. */
  opened(): void {
    this.#note("serving", this.#former.ends + 1);
    this.#timer = setTimeout(() => this.#note("serving", 0), SETTLED_MS);
    this.#timer.unref();
  }

  /** The process ends as it should. */
  over(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dataDir.noteLife(null);
  }

  #note(phase: "opening" | "serving", ends: number): void {
    this.#dataDir.noteLife(`${phase} ${ends}`);
  }
}

/** What cannot be read says nothing: a power cut may have taken it. */
function parse(text: string | null): Former {
  const match = /^(opening|serving) (\d{1,6})\n?$/.exec(text ?? "");
  if (match === null) return { opening: false, ends: 0 };
  return { opening: match[1] === "opening", ends: Number(match[2]) };
}
