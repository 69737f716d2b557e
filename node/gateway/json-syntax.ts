/** Is this one JSON value? With the words of Go's encoding/json where it is not, which clients of etcd's gateway know. */
import { QuorateError } from "../../src/base/errors.ts";

/** Values within values. Go takes ten thousand; no request of ours is a tenth as deep. */
const DEPTH_MAX = 1_000;

/** Characters of a string that stand for themselves. */
const PLAIN = /[ !#-[\]-\uffff]*/y;

/** What is wrong with a request's JSON: the text that the client is told. */
export function badJson(text: string): QuorateError {
  return new QuorateError("invalidArgument", text);
}

/** Checks the value at the beginning of `text`; throws at the first character that cannot be. Answers where it ends. */
export function checkJson(text: string): number {
  const checker = new JsonChecker(text);
  checker.value(0);
  return checker.at;
}

export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

class JsonChecker {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): void {
    if (depth > DEPTH_MAX) throw badJson("exceeded max depth");
    const first = this.#skipSpace();
    switch (first) {
      case "{":
        this.#object(depth);
        break;
      case "[":
        this.#array(depth);
        break;
      case '"':
        this.#string();
        break;
      case "t":
        this.#literal("true");
        break;
      case "f":
        this.#literal("false");
        break;
      case "n":
        this.#literal("null");
        break;
      default:
        if (first !== "-" && !isDigit(first)) this.#fail("looking for beginning of value");
        this.#number();
    }
  }

  #object(depth: number): void {
    this.at++;
    if (this.#skipSpace() === "}") {
      this.at++;
      return;
    }
    for (;;) {
      if (this.#skipSpace() !== '"') this.#fail("looking for beginning of object key string");
      this.#string();
      if (this.#skipSpace() !== ":") this.#fail("after object key");
      this.at++;
      this.value(depth + 1);
      const next = this.#skipSpace();
      if (next !== "," && next !== "}") this.#fail("after object key:value pair");
      this.at++;
      if (next === "}") return;
    }
  }

  #array(depth: number): void {
    this.at++;
    if (this.#skipSpace() === "]") {
      this.at++;
      return;
    }
    for (;;) {
      this.value(depth + 1);
      const next = this.#skipSpace();
      if (next !== "," && next !== "]") this.#fail("after array element");
      this.at++;
      if (next === "]") return;
    }
  }

  #string(): void {
    this.at++;
    for (;;) {
      // Natively over what needs no look: values of a MiB are one string.
      PLAIN.lastIndex = this.at;
      PLAIN.test(this.#text);
      this.at = PLAIN.lastIndex;
      const code = this.#text.charCodeAt(this.at);
      if (code === 0x22) break;
      if (!(code >= 0x20)) this.#fail("in string literal");
      this.at++;
      if (code === 0x5c) this.#escape();
    }
    this.at++;
  }

  #escape(): void {
    const escaped = this.#text.charAt(this.at);
    if (!'bfnrt\\/"u'.includes(escaped) || escaped === "") this.#fail("in string escape code");
    this.at++;
    if (escaped !== "u") return;
    for (let digit = 0; digit < 4; digit++) {
      if (!/[0-9a-fA-F]/.test(this.#text.charAt(this.at))) {
        this.#fail("in \\u hexadecimal character escape");
      }
      this.at++;
    }
  }

  #literal(word: string): void {
    for (const letter of word) {
      if (this.#text.charAt(this.at) !== letter) {
        this.#fail(`in literal ${word} (expecting '${letter}')`);
      }
      this.at++;
    }
  }

  #number(): void {
    if (this.#text.charAt(this.at) === "-") this.at++;
    if (this.#text.charAt(this.at) === "0") this.at++;
    else this.#digits("in numeric literal");
    if (this.#text.charAt(this.at) === ".") {
      this.at++;
      this.#digits("after decimal point in numeric literal");
    }
    if (!"eE".includes(this.#text.charAt(this.at) || " ")) return;
    this.at++;
    if ("+-".includes(this.#text.charAt(this.at) || " ")) this.at++;
    this.#digits("in exponent of numeric literal");
  }

  #digits(where: string): void {
    if (!isDigit(this.#text.charAt(this.at))) this.#fail(where);
    while (isDigit(this.#text.charAt(this.at))) this.at++;
  }

  #skipSpace(): string {
    while (isSpace(this.#text.charCodeAt(this.at))) this.at++;
    return this.#text.charAt(this.at);
  }

  #fail(where: string): never {
    if (this.at >= this.#text.length) throw badJson("unexpected EOF");
    throw badJson(`invalid character ${quote(this.#text, this.at)} ${where}`);
  }
}

function isDigit(text: string): boolean {
  return text >= "0" && text <= "9" && text.length === 1;
}

/** As Go quotes a byte. */
function quote(text: string, at: number): string {
  const byte = Buffer.from(String.fromCodePoint(text.codePointAt(at) ?? 0))[0] ?? 0;
  if (byte === 0x27) return `'\\''`;
  if (byte === 0x22) return `'"'`;
  const letter = String.fromCharCode(byte);
  const escapes: Readonly<Record<string, string>> = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
  };
  if (byte < 0x20 || byte === 0x7f)
    return `'${escapes[letter] ?? `\\x${byte.toString(16).padStart(2, "0")}`}'`;
  return `'${escapes[letter] ?? letter}'`;
}
