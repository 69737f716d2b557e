/** Typed access to the settings, and the refusals that go with it. */
import { QuorateError } from "../src/base/errors.ts";
import { parseDuration } from "./duration.ts";
import { FLAGS, REFUSED_FLAGS } from "./flags.ts";
import type { Settings } from "./settings.ts";

/** Ends the reading of a configuration: `message` is one line that says what to change. */
export function refuse(message: string): never {
  throw new QuorateError("configuration", message);
}

/** By flag name; every refusal names the flag and the fix. */
export class Reader {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
    for (const name of settings.values.keys()) {
      if (REFUSED_FLAGS.has(name)) refuse(`--${name} is not served by this release: remove it`);
    }
  }

  given(name: string): boolean {
    return this.#settings.values.has(name);
  }

  /** One line for each flag of etcd that means nothing here. */
  warnIgnored(): string[] {
    return [...this.#settings.values.keys()]
      .filter((name) => FLAGS.get(name)?.help === null)
      .map((name) => `--${name} is accepted and has no effect here`);
  }

  text(name: string): string {
    return this.#settings.values.get(name) ?? FLAGS.get(name)?.fallback ?? "";
  }

  flag(name: string): boolean {
    const text = this.text(name).toLowerCase();
    if (["true", "1", "t"].includes(text)) return true;
    if (["false", "0", "f", ""].includes(text)) return false;
    return refuse(`--${name}=${text} must be true or false`);
  }

  integer(name: string): number {
    const text = this.text(name);
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
      refuse(`--${name}=${text} must be a whole number`);
    }
    return value;
  }

  atLeast(name: string, least: number): number {
    const value = this.integer(name);
    if (value < least) refuse(`--${name}=${value} must be at least ${least}`);
    return value;
  }

  duration(name: string): number {
    const text = this.text(name);
    const value = parseDuration(text);
    if (value === null || value < 0)
      refuse(`--${name}=${text} must be a duration such as 500ms, 10s or 2h`);
    return value;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const text = this.text(name);
    const choice = choices.find((each) => each === text);
    return choice ?? refuse(`--${name}=${text} must be one of: ${choices.join(", ")}`);
  }

  list(name: string): readonly string[] {
    return this.text(name)
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  }

  urls(name: string): URL[] {
    return this.list(name).map((text) => parseUrl(`--${name}`, text));
  }

  peerUrls(name: string): URL[] {
    return this.list(name).map((text) => parsePeerUrl(`--${name}`, text));
  }
}

/** A URL to listen on or to be reached at: http and https with a port, unix and unixs (with TLS) with a path. */
export function parseUrl(where: string, text: string): URL {
  if (!URL.canParse(text)) refuse(`${where}: '${text}' is not a URL such as http://10.0.0.1:2379`);
  const url = new URL(text);
  if (isUnix(url)) {
    if (socketPath(url) === "") refuse(`${where}: '${text}' must name the path of a socket`);
    return url;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    refuse(`${where}: '${text}' must start with http://, https://, unix:// or unixs://`);
  if (url.pathname !== "/" || url.search !== "") refuse(`${where}: '${text}' must not have a path`);
  if (!/:\d+\/?$/.test(text)) refuse(`${where}: '${text}' must name a port`);
  return url;
}

/** Only members on other machines are worth having, so peers meet over TCP. */
export function parsePeerUrl(where: string, text: string): URL {
  const url = parseUrl(where, text);
  if (isUnix(url)) refuse(`${where}: '${text}' must start with http:// or https://`);
  return url;
}

export function isUnix(url: URL): boolean {
  return url.protocol === "unix:" || url.protocol === "unixs:";
}

export function isSecure(url: URL): boolean {
  return url.protocol === "https:" || url.protocol === "unixs:";
}

/** `unix:///run/q.sock` is absolute, `unix://q.sock` relative to the working directory, as with etcd. */
export function socketPath(url: URL): string {
  return `${url.host}${url.pathname}`;
}

/** A new URL knows no port where it is the scheme's own. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

/** As users and etcd write it: no slash at the end. */
export function toPlainUrl(url: URL): string {
  return isUnix(url) ? url.href : `${url.protocol}//${url.hostname}:${portOf(url)}`;
}
