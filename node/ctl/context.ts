/** What a command works with, and how it shows what it got. */
import type { ResponseHeader } from "../../src/api/gen/header.ts";
import { MESSAGES } from "../../src/api/gen/registry.ts";
import { present } from "../../src/base/assert.ts";
import type { Client } from "../../src/client/client.ts";
import type { CommandIo } from "../commands.ts";
import { CtlError, Exit } from "./exit.ts";
import type { Flag, Flags } from "./flags.ts";
import { type Format, formatOf, openClient } from "./globals.ts";
import { messageJson } from "./go-json.ts";
import { Input } from "./input.ts";

/** A command of the command line. */
export interface CtlCommand {
  /** What follows its name. */
  readonly usage: string;
  /** One line. */
  readonly help: string;
  readonly flags: readonly Flag[];
  /** Resolves with the exit code, 0 where it is nothing. */
  readonly run: (ctl: Context) => Promise<number | void>;
}

/** Text, or bytes as they are. */
export type Piece = string | Uint8Array;

/** An answer in each format that it can be shown in. */
export interface Shown {
  /** The message's name in the protocol's registry, and the message: for json and protobuf. */
  readonly message?: readonly [name: string, value: object];
  readonly simple: () => Piece;
  readonly fields?: () => Piece;
  readonly table?: () => string;
  /** Instead of the message's own. */
  readonly json?: () => string;
  readonly protobuf?: () => Uint8Array;
}

export class Context {
  readonly flags: Flags;
  readonly io: CommandIo;
  readonly input: Input;
  readonly format: Format;
  readonly isHex: boolean;
  readonly #clients: Client[] = [];
  #shared: Promise<Client> | null = null;

  constructor(flags: Flags, io: CommandIo) {
    this.flags = flags;
    this.io = io;
    this.input = new Input(io);
    this.format = formatOf(flags);
    this.isHex = flags.bool("hex");
  }

  get args(): readonly string[] {
    return this.flags.args;
  }

  /** The client of all endpoints. */
  client(): Promise<Client> {
    this.#shared ??= this.clientOf(this.flags.list("endpoints"));
    return this.#shared;
  }

  async clientOf(endpoints: readonly string[]): Promise<Client> {
    const client = await openClient(this.flags, endpoints, (prompt) => this.input.password(prompt));
    this.#clients.push(client);
    return client;
  }

  /** For commands that take as long as they take. */
  get unlimited(): { readonly timeoutMs: number; readonly signal: AbortSignal } {
    return { timeoutMs: Number.POSITIVE_INFINITY, signal: this.io.signal };
  }

  print(...pieces: readonly Piece[]): void {
    for (const piece of pieces) this.io.stdout.write(piece);
  }

  warn(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  show(shown: Shown): void {
    this.print(this.#render(shown));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #render(shown: Shown): Piece {
    const { message } = shown;
    switch (this.format) {
      case "simple":
        return shown.simple();
      case "fields":
        return shown.fields?.() ?? this.#unsupported();
      case "table":
        return shown.table?.() ?? this.#unsupported();
      case "json":
        if (shown.json !== undefined) return `${shown.json()}\n`;
        return message === undefined ? this.#unsupported() : `${messageJson(...message)}\n`;
      default:
        if (shown.protobuf !== undefined) return Buffer.from(shown.protobuf());
        return message === undefined ? this.#unsupported() : encode(...message);
    }
  }

  #unsupported(): never {
    throw new CtlError(Exit.badFeature, `${this.format} not supported as output format`);
  }
}

function encode(name: string, value: object): Uint8Array {
  const message = present(MESSAGES[name], "the message is one of the protocol's");
  return Buffer.from(message.encode(value));
}

/** The header's lines in the format `fields`. */
export function headerFields(header: ResponseHeader | null, isHex: boolean): string {
  const id = (value: bigint): string => value.toString(isHex ? 16 : 10);
  const { clusterId, memberId, revision, raftTerm } = present(header, "an answer has a header");
  const line = revision > 0 ? `"Revision" : ${revision}\n` : "";
  return `"ClusterID" : ${id(clusterId)}\n"MemberID" : ${id(memberId)}\n${line}"RaftTerm" : ${raftTerm}\n`;
}

/** The header's fields in the JSON of answers that have no header of their own. */
export function headerJson(header: ResponseHeader | null): string {
  return messageJson("ResponseHeader", present(header, "an answer has a header")).slice(1, -1);
}
