/** Standard input: a word, a line, all of it, or a password that is not shown. */
import type { Readable } from "node:stream";
import type { ReadStream } from "node:tty";
import type { CommandIo } from "../commands.ts";

export class Input {
  readonly #io: CommandIo;
  #lines: AsyncGenerator<string, void, undefined> | null = null;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  async all(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#io.stdin) chunks.push(Buffer.from(chunk as Buffer | string));
    return Buffer.concat(chunks);
  }

  /** Without its end; null when there is none. What comes after the last end of a line is none. */
  async line(): Promise<string | null> {
    this.#lines ??= linesOf(this.#io.stdin);
    const { done, value } = await this.#lines.next();
    return done === true ? null : value;
  }

  /** The first word of what comes; empty where nothing does. */
  async word(): Promise<string> {
    const text = (await this.all()).toString();
    return /^\s*(\S*)/.exec(text)?.[1] ?? "";
  }

  /** A line, not shown where it is typed. */
  async password(prompt: string): Promise<string> {
    const { stdin, stderr } = this.#io;
    if (!isTerminal(stdin)) {
      stderr.write(prompt);
      const line = await this.line();
      stderr.write("\n");
      return line ?? "";
    }
    stderr.write(prompt);
    stdin.setRawMode(true);
    try {
      return await typed(stdin);
    } finally {
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
    }
  }
}

function isTerminal(stream: Readable): stream is ReadStream {
  return (stream as Partial<ReadStream>).isTTY === true;
}

async function* linesOf(stream: Readable): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

const CTRL_C = "\u0003";
const BACKSPACE = /[\b\u007f]/;

function typed(stdin: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const onData = (chunk: Buffer): void => {
      for (const char of chunk.toString()) {
        if (char === CTRL_C) finish(() => reject(new Error("interrupted")));
        else if (char === "\r" || char === "\n") finish(() => resolve(text));
        else if (BACKSPACE.test(char)) text = text.slice(0, -1);
        else text += char;
      }
    };
    const finish = (settle: () => void): void => {
      stdin.off("data", onData);
      settle();
    };
    stdin.on("data", onData);
  });
}
