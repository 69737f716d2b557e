/** Requests of the JSON gateway, played against a cluster into a transcript that can be compared with another cluster's. */
import type { Cluster } from "./cluster.ts";
import { Normaliser } from "./normalise.ts";

/** A path and the body it gets; `$name` stands for what an earlier request saved. */
export interface GatewayStep {
  readonly path: string;
  readonly body?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream: read until it has said so many lines, then left; else to its end. */
  readonly lines?: number;
  /** Sent once the stream has said `after` lines, or one. */
  readonly during?: readonly GatewayStep[];
  readonly after?: number;
  readonly save?: Readonly<Record<string, RegExp>>;
}

/** As `Normaliser` has them, but in quotes. */
const VARIABLE = /("(?:raft\w*|dbSize|dbSizeInUse|hash|TTL)":"?)[1-9]\d*/gi;
const HEADERS = [
  "content-type",
  "grpc-metadata-content-type",
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-allow-headers",
];

export class GatewaySession {
  readonly #base: string;
  readonly #normaliser: Normaliser;
  readonly #saved = new Map<string, string>();
  readonly #blocks: string[] = [];

  constructor(cluster: Cluster) {
    const member = cluster.member(0);
    this.#base = member.clientUrl;
    this.#normaliser = new Normaliser([
      [member.endpoint, "<client>"],
      [member.peerUrl.replace("http://", ""), "<peer>"],
    ]);
  }

  async play(steps: readonly GatewayStep[]): Promise<string[]> {
    for (const step of steps) await this.#step(step);
    return this.#blocks;
  }

  async #step(step: GatewayStep): Promise<void> {
    const method = step.method ?? "POST";
    const body = this.#known(step.body ?? "");
    const abort = new AbortController();
    const response = await fetch(this.#base + step.path, {
      method,
      headers: step.headers ?? {},
      signal: AbortSignal.any([abort.signal, AbortSignal.timeout(10_000)]),
      ...(method === "GET" || method === "HEAD" ? {} : { body }),
    });
    const text = await this.#read(response, step, abort);
    for (const [name, pattern] of Object.entries(step.save ?? {})) {
      const found = pattern.exec(text)?.[1];
      if (found === undefined) throw new Error(`${step.path}: no ${name} in ${text}`);
      this.#saved.set(name, found);
    }
    const headers = HEADERS.map((name) => `${name}: ${response.headers.get(name) ?? "-"}`);
    this.#blocks.push(
      [
        `${method} ${step.path} ${step.body ?? ""}`.slice(0, 300),
        `${response.status}`,
        ...headers,
        this.#normaliser.text(plain(text)).replaceAll(VARIABLE, "$1<number>"),
      ].join("\n"),
    );
  }

  /** Streams are given as their lines, whatever chunks these came in. */
  async #read(response: Response, step: GatewayStep, abort: AbortController): Promise<string> {
    if (step.lines === undefined || response.body === null) return await response.text();
    let text = "";
    let told = false;
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const lines = text.split("\n").length - 1;
      if (lines >= (step.after ?? 1) && !told) {
        told = true;
        for (const each of step.during ?? []) await this.#step(each);
      }
      if (lines >= step.lines) break;
    }
    abort.abort();
    return text;
  }

  #known(text: string): string {
    return text.replace(/\$(\w+)/g, (_, name: string) => this.#saved.get(name) ?? `$${name}`);
  }
}

/** Go's protojson puts spaces at random, so that nobody relies on its bytes. */
function plain(text: string): string {
  return text
    .replaceAll("\u00a0", " ")
    .replaceAll(/proto: +/g, "proto: ")
    .replaceAll(/(?<=[,:]) (?=["{[0-9tfn-])/g, "");
}

/** Base64, as JSON has bytes. */
export function b64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** What both sessions have said differently; empty where they agree. */
export function differences(expected: readonly string[], actual: readonly string[]): string {
  return expected
    .flatMap((block, at) =>
      block === actual[at] ? [] : [`--- etcd\n${block}\n--- quorate\n${actual[at] ?? "(nothing)"}`],
    )
    .join("\n");
}
