/** The latest that was heard of each object. Good for finding keys and for cheap looks; nothing destructive rests on it. */
import type { KubeObject } from "./api.ts";

/** `namespace/name`, or the name alone. */
export function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined
    ? metadata.name
    : `${metadata.namespace}/${metadata.name}`;
}

/** Words under which an object is found, such as `owner:UID` and `label:quorate.io/cluster=kv`. */
export type Indexer = (object: KubeObject) => readonly string[];

export const indexByOwner: Indexer = ({ metadata }) =>
  (metadata.ownerReferences ?? []).map(({ uid }) => `owner:${uid}`);

export function indexByLabel(label: string): Indexer {
  return ({ metadata: { namespace = "", labels = {} } }) => {
    const value = labels[label];
    return value === undefined ? [] : [`label:${namespace}/${label}=${value}`];
  };
}

export interface Reading {
  get(key: string): KubeObject | null;
  all(): readonly KubeObject[];
  /** What an indexer filed under this word. */
  find(word: string): readonly KubeObject[];
}

export class ObjectStore implements Reading {
  readonly #objects = new Map<string, KubeObject>();
  readonly #index = new Map<string, Set<string>>();
  readonly #indexers: readonly Indexer[];

  constructor(indexers: readonly Indexer[] = []) {
    this.#indexers = indexers;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): KubeObject | null {
    return this.#objects.get(key) ?? null;
  }

  all(): readonly KubeObject[] {
    return [...this.#objects.values()];
  }

  find(word: string): readonly KubeObject[] {
    const keys = this.#index.get(word) ?? [];
    return Array.from(keys).flatMap((key) => this.#objects.get(key) ?? []);
  }

  /** Returns what was there before. */
  put(object: KubeObject): KubeObject | null {
    const key = keyOf(object);
    const before = this.delete(key);
    this.#objects.set(key, object);
    for (const word of this.#words(object)) {
      const keys = this.#index.get(word) ?? new Set();
      keys.add(key);
      this.#index.set(word, keys);
    }
    return before;
  }

  /** Returns what was there. */
  delete(key: string): KubeObject | null {
    const object = this.#objects.get(key) ?? null;
    if (object === null) return null;
    this.#objects.delete(key);
    for (const word of this.#words(object)) {
      const keys = this.#index.get(word);
      keys?.delete(key);
      if (keys?.size === 0) this.#index.delete(word);
    }
    return object;
  }

  #words(object: KubeObject): readonly string[] {
    return this.#indexers.flatMap((indexer) => indexer(object));
  }
}
