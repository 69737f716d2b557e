/**
 * Cuts a request's body, as it arrives, into JSON values: a stream has one for each message. Each character is looked at once
 * on its arrival and once more when its value is complete, however small the pieces are.
 */
import { QuorateError } from "../../src/base/errors.ts";
import { checkJson, isSpace } from "./json-syntax.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Characters that end no string. */
const PLAIN = /[^"\\]*/y;

export class JsonSplitter {
  readonly #sizeMax: number;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Of the value that is arriving, looked at. */
  #pieces: string[] = [];
  #size = 0;
  /** What has arrived and was not looked at. */
  #rest = "";
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** `sizeMax` bounds one value, in UTF-16 units. */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Of what is kept, in UTF-16 units. */
  get size(): number {
    return this.#size + this.#rest.length;
  }

  push(bytes: Uint8Array): void {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
  }

  /** Nothing follows any more. */
  finish(): void {
    this.#rest += this.#decoder.decode();
  }

  /**
   * The next complete value, checked; null if there is none yet. Throws what is wrong with it. `last` says that nothing will
   * follow, so that what is incomplete is wrong.
   */
  next(last: boolean): string | null {
    const end = this.#scan();
    this.#size += end ?? this.#rest.length;
    if (this.#size > this.#sizeMax) {
      throw new QuorateError(
        "resourceExhausted",
        `a JSON value larger than ${this.#sizeMax} bytes`,
      );
    }
    if (end === null) {
      if (this.#rest !== "") this.#pieces.push(this.#rest);
      this.#rest = "";
      if (!last || this.#pieces.length === 0) return null;
    } else {
      this.#pieces.push(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end);
    }
    const value = this.#pieces.join("");
    this.#pieces = [];
    this.#size = 0;
    checkJson(value);
    return value;
  }

  /** Where the value ends in the rest, null if it does not. Brackets need not match: the check tells. */
  #scan(): number | null {
    if (this.#pieces.length === 0) this.#skipSpace();
    const text = this.#rest;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
        else {
          PLAIN.lastIndex = at;
          PLAIN.test(text);
          at = PLAIN.lastIndex - 1;
        }
      } else if (code === 0x7b || code === 0x5b) this.#depth++;
      else if (code === 0x7d || code === 0x5d) {
        this.#depth--;
        if (this.#depth <= 0) {
          this.#depth = 0;
          return at + 1;
        }
      } else if (this.#depth === 0) {
        // A value that is no object is no message, whatever it is.
        return at + checkJson(text.slice(at));
      } else if (code === QUOTE) this.#inString = true;
    }
    return null;
  }

  #skipSpace(): void {
    let at = 0;
    while (isSpace(this.#rest.charCodeAt(at))) at++;
    if (at > 0) this.#rest = this.#rest.slice(at);
  }
}
