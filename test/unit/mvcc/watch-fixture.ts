/** A store of watches over a naive history, one stream, and what arrived there. */
import assert from "node:assert/strict";

import type { Key } from "../../../src/base/bytes.ts";
import { WatchStore } from "../../../src/mvcc/watch-store.ts";
import type { WatchRequest, WatchStream } from "../../../src/mvcc/watcher.ts";
import { NaiveHistory, pace, RecordingSink, type Write } from "./naive-history.ts";

/** Between progress notifications. */
export const INTERVAL_MS = 10_000;

export class Setup {
  history: NaiveHistory = new NaiveHistory();
  readonly fatal: unknown[] = [];
  readonly store: WatchStore;
  readonly sink: RecordingSink = new RecordingSink();
  readonly stream: WatchStream;

  constructor(streamBytesMax = 100) {
    this.store = new WatchStore({
      history: this.history,
      pace,
      random: { next: () => 0, between: (from) => from },
      progressIntervalMs: INTERVAL_MS,
      onFatal: (error) => this.fatal.push(error),
      streamBytesMax,
    });
    this.stream = this.store.open(this.sink);
  }

  /** One entry of the log. */
  write(...writes: readonly Write[]): void {
    const changes = this.history.write(...writes);
    this.store.onChanges(this.history.revision, changes);
  }

  /** One entry and the end of the turn. */
  turn(...writes: readonly Write[]): void {
    this.write(...writes);
    this.store.flush();
  }

  watch(key: string, options: Partial<Omit<WatchRequest, "key">> = {}): void {
    const outcome = this.store.create(this.stream, request(key, options));
    assert.equal(outcome.kind, "created");
  }
}

/** A watch of one key, or with `rangeEnd` of more. */
export function request(
  key: string,
  options: Partial<Omit<WatchRequest, "key">> = {},
): WatchRequest {
  return {
    key: key as Key,
    rangeEnd: "" as Key,
    startRevision: 0,
    watchId: 0,
    progressNotify: false,
    prevKv: false,
    noPut: false,
    noDelete: false,
    fragment: false,
    ...options,
  };
}

/** The option that makes a watch one of [key, text). */
export function end(text: string): { rangeEnd: Key } {
  return { rangeEnd: text as Key };
}
