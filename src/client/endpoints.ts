/** The members that a client knows, and which of them is asked next: those that are up, in turn, the ones that failed last. */
import { Endpoint, type EndpointSettings } from "./endpoint.ts";
import { ClientError } from "./error.ts";
import { backoffMs } from "./retry.ts";
import type { Budget } from "./time.ts";

export class Endpoints {
  #settings: EndpointSettings;
  #list: readonly Endpoint[] = [];
  /** Members that were asked by name and are not in the list. */
  readonly #others = new Map<string, Endpoint>();
  #turn = 0;

  constructor(names: readonly string[], settings: EndpointSettings) {
    this.#settings = settings;
    this.replace(names);
    // A client that always began with the first would burden the first.
    this.#turn = Math.floor(Math.random() * this.#list.length);
  }

  get names(): string[] {
    return this.#list.map(({ name }) => name);
  }

  get count(): number {
    return this.#list.length;
  }

  /** From now on these. Those that stay keep their connections; streams of those that leave are opened elsewhere. */
  replace(names: readonly string[]): void {
    if (names.length === 0)
      throw new ClientError("configuration", "a client needs an endpoint: name at least one");
    const old = new Map(this.#list.map((endpoint) => [endpoint.name, endpoint]));
    this.#list = [...new Set(names)].map(
      (name) => old.get(name) ?? new Endpoint(name, this.#settings),
    );
    const kept = new Set(this.#list);
    for (const endpoint of old.values()) if (!kept.has(endpoint)) endpoint.close();
  }

  /** New connections are made with these. */
  renew(settings: EndpointSettings): void {
    this.#settings = settings;
    for (const endpoint of this.#all()) endpoint.renew(settings);
  }

  /** One member by name, in the list or not. */
  named(name: string): Endpoint {
    const known = this.#list.find((endpoint) => endpoint.name === name) ?? this.#others.get(name);
    if (known !== undefined) return known;
    const added = new Endpoint(name, this.#settings);
    this.#others.set(name, added);
    return added;
  }

  /** A connected member, preferably none of `tried`; waits within the budget, and throws when that is used up. */
  async acquire(tried: Set<Endpoint>, budget: Budget, last: ClientError | null): Promise<Endpoint> {
    let failure = last;
    for (let round = 0; ; round++) {
      budget.check(failure);
      const fresh = this.#pick((endpoint) => !tried.has(endpoint));
      if (fresh !== null) return fresh;
      if (tried.size > 0 && this.#pick((endpoint) => tried.has(endpoint)) !== null) {
        // Everybody who is there was asked: after a pause, once more.
        await budget.wait(backoffMs(round, Math.random()));
        tried.clear();
        continue;
      }
      await this.#anyReady(this.#list, budget);
      failure = last ?? unreached(this.#list);
    }
  }

  /** Waits until this one member is connected. */
  async await(endpoint: Endpoint, budget: Budget, last: ClientError | null): Promise<Endpoint> {
    let failure = last;
    for (;;) {
      budget.check(failure);
      if (endpoint.isReady) return endpoint;
      await this.#anyReady([endpoint], budget);
      failure = last ?? unreached([endpoint]);
    }
  }

  close(): void {
    for (const endpoint of this.#all()) endpoint.close();
  }

  /** The next in turn that is ready, one that failed lately only where there is no other. */
  #pick(isWanted: (endpoint: Endpoint) => boolean): Endpoint | null {
    const ready = this.#list.filter((endpoint) => isWanted(endpoint) && endpoint.isReady);
    const preferred = ready.filter((endpoint) => !endpoint.isShunned);
    const from = preferred.length > 0 ? preferred : ready;
    return from[this.#turn++ % from.length] ?? null;
  }

  async #anyReady(endpoints: readonly Endpoint[], budget: Budget): Promise<void> {
    let done = (): void => {};
    const until = new Promise<void>((resolve) => (done = resolve));
    const ready = endpoints.map((endpoint) => endpoint.ready(until));
    try {
      await budget.wait(Number.POSITIVE_INFINITY, Promise.race(ready));
    } finally {
      done();
    }
  }

  #all(): Endpoint[] {
    return [...this.#list, ...this.#others.values()];
  }
}

function unreached(endpoints: readonly Endpoint[]): ClientError {
  const each = endpoints.map(({ name, refusal }) =>
    refusal === "" ? name : `${name}: ${refusal}`,
  );
  return new ClientError("unavailable", `no connection to ${each.join(", ")}`);
}
