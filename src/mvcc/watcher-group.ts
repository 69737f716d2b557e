/** Watchers by what they watch. */
import { assert } from "../base/assert.ts";
import type { Key } from "../base/bytes.ts";
import { IntervalTree } from "./interval-tree.ts";
import type { Watcher } from "./watcher.ts";

/** Those that watch the same keys. A watcher is in one set at a time and knows its place. */
export class WatcherSet {
  readonly watchers: Watcher[] = [];

  add(watcher: Watcher): void {
    watcher.place = this.watchers.length;
    this.watchers.push(watcher);
  }

  remove(watcher: Watcher): void {
    assert(this.watchers[watcher.place] === watcher, "a watcher is in its set");
    const last = this.watchers.pop();
    if (last !== undefined && last !== watcher) {
      this.watchers[watcher.place] = last;
      last.place = watcher.place;
    }
    watcher.place = -1;
  }
}

export class WatcherGroup {
  readonly #points = new Map<Key, WatcherSet>();
  readonly #ranges = new IntervalTree<WatcherSet>();
  size = 0;

  add(watcher: Watcher): void {
    const { key, end } = watcher;
    let set = watcher.isPoint ? this.#points.get(key) : this.#ranges.find(key, end);
    if (set === undefined) {
      set = new WatcherSet();
      if (watcher.isPoint) this.#points.set(key, set);
      else this.#ranges.insert(key, end, set);
    }
    set.add(watcher);
    this.size++;
  }

  /** The watcher must be in. */
  remove(watcher: Watcher): void {
    const { key, end } = watcher;
    const set = watcher.isPoint ? this.#points.get(key) : this.#ranges.find(key, end);
    assert(set !== undefined, "a watcher is in its group");
    set.remove(watcher);
    this.size--;
    if (set.watchers.length > 0) return;
    if (watcher.isPoint) this.#points.delete(key);
    else this.#ranges.remove(key, end);
  }

  /** Adds the sets of all watchers of `key` to `into`. */
  collect(key: Key, into: WatcherSet[]): void {
    const set = this.#points.get(key);
    if (set !== undefined) into.push(set);
    if (this.#ranges.size > 0) this.#ranges.collect(key, into);
  }
}
