/**
 * Reads the part of proto3 that our files use: messages, enums, oneofs, services, options and line comments. No maps, no
 * groups, no `optional`, no extensions; anything else is refused with file and line.
 */
import type { EnumType, Field, MessageType, ProtoFile, Rpc, Service } from "./model.ts";

interface Token {
  readonly text: string;
  readonly line: number;
  /** Comment lines directly before it. */
  readonly doc: readonly string[];
}

const TOKEN = /\/\/[^\n]*|"[^"\n]*"|[A-Za-z0-9_.]+|[{}()[\]=;,<>]|\n|[ \t\r]+|./g;

function tokenize(source: string): { tokens: Token[]; doc: string[] } {
  const tokens: Token[] = [];
  const head: string[] = [];
  let doc: string[] = [];
  let line = 1;
  for (const [text] of source.matchAll(TOKEN)) {
    if (text === "\n") line++;
    else if (text.startsWith("//")) doc.push(text.slice(2).trim());
    else if (text.trim() !== "") {
      if (tokens.length === 0) head.push(...doc.splice(0));
      tokens.push({ text, line, doc });
      doc = [];
    }
  }
  return { tokens, doc: head };
}

class Parser {
  readonly #file: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #package = "";
  readonly #types: (MessageType | EnumType)[] = [];
  readonly #services: Service[] = [];

  constructor(file: string, tokens: readonly Token[]) {
    this.#file = file;
    this.#tokens = tokens;
  }

  parse(doc: readonly string[]): ProtoFile {
    while (this.#at < this.#tokens.length) this.#topLevel();
    return {
      name: this.#file.replace(/\.proto$/, ""),
      doc,
      package: this.#package,
      types: this.#types,
      services: this.#services,
    };
  }

  #topLevel(): void {
    const { text, doc } = this.#next();
    if (text === "message") this.#message(doc);
    else if (text === "enum") this.#enum(doc, "");
    else if (text === "service") this.#service();
    else if (text === "syntax") {
      this.#expect("=");
      this.#expect('"proto3"');
      this.#expect(";");
    } else if (text === "package") {
      this.#package = this.#next().text;
      this.#expect(";");
    } else if (text === `import`) {
      // All files are read together.
      this.#next();
      this.#expect(";");
    } else throw this.#refuse(text);
  }

  #message(doc: readonly string[]): void {
    const name = this.#next().text;
    const fields: Field[] = [];
    const oneofDocs = new Map<string, readonly string[]>();
    this.#expect("{");
    while (!this.#accept("}")) {
      const token = this.#next();
      if (token.text === "enum") this.#enum(token.doc, name);
      else if (token.text === "oneof") {
        const oneof = this.#next().text;
        oneofDocs.set(oneof, token.doc);
        this.#expect("{");
        while (!this.#accept("}")) fields.push(this.#field(this.#next(), oneof));
      } else fields.push(this.#field(token, null));
    }
    fields.sort((a, b) => a.number - b.number);
    this.#types.push({
      kind: "message",
      doc,
      name,
      fullName: `${this.#package}.${name}`,
      fields,
      oneofDocs,
    });
  }

  #field(first: Token, oneof: string | null): Field {
    const repeated = first.text === "repeated";
    const type = repeated ? this.#next().text : first.text;
    const name = this.#next().text;
    this.#expect("=");
    const number = this.#number();
    let id = false;
    if (this.#accept("[")) {
      for (const part of ["(", "id", ")", "=", "true", "]"]) this.#expect(part);
      id = true;
    }
    this.#expect(";");
    return { doc: first.doc, name, number, type, repeated, id, oneof };
  }

  /** A nested enum called just Type or Kind is named after its message too: names are unique over all files. */
  #enum(doc: readonly string[], parent: string): void {
    const own = this.#next().text;
    const values: { name: string; number: number }[] = [];
    this.#expect("{");
    while (!this.#accept("}")) {
      const name = this.#next().text;
      this.#expect("=");
      values.push({ name, number: this.#number() });
      this.#expect(";");
    }
    const name = own === "Type" || own === "Kind" ? parent + own : own;
    const fullName = [this.#package, parent, own].filter((part) => part !== "").join(".");
    this.#types.push({ kind: "enum", doc, name, fullName, values });
  }

  #service(): void {
    const name = this.#next().text;
    const rpcs: Rpc[] = [];
    this.#expect("{");
    while (!this.#accept("}")) {
      this.#expect("rpc");
      rpcs.push(this.#rpc());
    }
    this.#services.push({ name, rpcs });
  }

  #rpc(): Rpc {
    const name = this.#next().text;
    const [request, requestStream] = this.#rpcType();
    this.#expect("returns");
    const [response, responseStream] = this.#rpcType();
    const rest: string[] = [];
    if (this.#accept("{")) {
      while (!this.#accept("}")) {
        this.#expect("option");
        this.#expect("(");
        if (!this.#accept("rest_also")) this.#expect("rest");
        this.#expect(")");
        this.#expect("=");
        rest.push(this.#next().text.slice(1, -1));
        this.#expect(";");
      }
    } else this.#expect(";");
    return { name, request, requestStream, response, responseStream, rest };
  }

  #rpcType(): [string, boolean] {
    this.#expect("(");
    const stream = this.#accept("stream");
    const type = this.#next().text;
    this.#expect(")");
    return [type, stream];
  }

  #number(): number {
    const { text } = this.#next();
    if (!/^\d+$/.test(text)) throw this.#refuse(text);
    return Number(text);
  }

  #next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error(`${this.#file}: ends too early`);
    return token;
  }

  #accept(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    const found = this.#next();
    if (found.text !== text) throw this.#refuse(found.text, text);
  }

  #refuse(found: string, wanted?: string): Error {
    const line = this.#tokens[this.#at - 1]?.line ?? 0;
    const hint = wanted === undefined ? "" : `, expected "${wanted}"`;
    return new Error(`${this.#file}:${line}: unexpected "${found}"${hint}`);
  }
}

/** The content of one file. Throws with file and line where it is not of our subset. */
export function parseProto(file: string, source: string): ProtoFile {
  const { tokens, doc } = tokenize(source);
  return new Parser(file, tokens).parse(doc);
}
