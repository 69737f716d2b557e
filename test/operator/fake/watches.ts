/** What happened, as far back as it is kept, and who wants to hear of it. */
import {
  KubeError,
  type KubeObject,
  type WatchEvent,
  type WatchRequest,
} from "../../../operator/kube/api.ts";
import type { Time } from "../../../operator/time.ts";
import { matcherOf } from "./selectors.ts";

export interface Change {
  readonly plural: string;
  readonly revision: number;
  /** Null: it was created. */
  readonly before: KubeObject | null;
  /** Null: it is gone. `last` then carries its last state at the revision of its end. */
  readonly after: KubeObject | null;
  readonly last: KubeObject;
}

/** How often an idle watch is told the revision. */
const BOOKMARK_MS = 60_000;

export class Watches {
  readonly #time: Time;
  readonly #changes: Change[] = [];
  readonly #open = new Set<Stream>();
  /** Changes up to here are forgotten. */
  #forgotten = 0;
  #revision: () => number;
  /** Milliseconds after which a change is told: 0 unless a test says more. */
  delayMs = 0;

  constructor(time: Time, revision: () => number) {
    this.#time = time;
    this.#revision = revision;
  }

  publish(change: Change): void {
    this.#changes.push(change);
    if (this.delayMs === 0) this.#tell(change);
    else this.#time.after(this.delayMs, () => this.#tell(change));
  }

  #tell(change: Change): void {
    for (const stream of this.#open) stream.offer(change);
  }

  /** Forgets the past, as compaction does: whoever asks for it must list anew. */
  forget(): void {
    this.#forgotten = this.#revision();
    this.#changes.length = 0;
  }

  /** Ends every watch as a broken connection does. */
  drop(): void {
    for (const stream of this.#open) {
      stream.end(new KubeError("unavailable", "the API server is not reached: other side closed"));
    }
  }

  get size(): number {
    return this.#open.size;
  }

  /** `present` is what is there now, for watches that begin without a revision. */
  open(plural: string, request: WatchRequest, present: readonly KubeObject[]): Stream {
    const anywhere = request.resourceVersion === "" || request.resourceVersion === "0";
    const from = anywhere ? this.#revision() : Number(request.resourceVersion);
    if (from < this.#forgotten) {
      throw new KubeError("expired", `too old resource version: ${from} (${this.#forgotten})`, {
        status: 410,
      });
    }
    const stream = new Stream(plural, request, from);
    this.#open.add(stream);
    if (anywhere) for (const object of present) stream.push({ type: "ADDED", object });
    if (this.delayMs === 0) for (const change of this.#changes) stream.offer(change);
    const cancel = [this.#time.after(request.timeoutSeconds * 1000, () => stream.end(null))];
    const bookmark = (): void => {
      stream.push({ type: "BOOKMARK", resourceVersion: String(this.#revision()) });
      cancel[1] = this.#time.after(BOOKMARK_MS, bookmark);
    };
    cancel.push(this.#time.after(BOOKMARK_MS, bookmark));
    stream.close = () => {
      this.#open.delete(stream);
      for (const each of cancel) each();
    };
    return stream;
  }
}

export class Stream {
  readonly #plural: string;
  readonly #matches: (object: KubeObject) => boolean;
  readonly #queue: WatchEvent[] = [];
  #seen: number;
  #ended = false;
  #error: KubeError | null = null;
  #wake: (() => void) | null = null;
  /** Whoever reads no more says so. */
  close: () => void = () => {};

  constructor(plural: string, request: WatchRequest, from: number) {
    this.#plural = plural;
    this.#matches = matcherOf(request);
    this.#seen = from;
  }

  /** What a watch with a selector hears: an object that leaves the selection is deleted to it. */
  offer({ plural, revision, before, after, last }: Change): void {
    if (plural !== this.#plural || revision <= this.#seen) return;
    this.#seen = revision;
    const was = before !== null && this.#matches(before);
    const is = after !== null && this.#matches(after);
    if (!was && !is) return;
    const type = was && is ? "MODIFIED" : is ? "ADDED" : "DELETED";
    this.push({ type, object: type === "DELETED" ? last : (after ?? last) });
  }

  push(event: WatchEvent): void {
    if (this.#ended) return;
    this.#queue.push(event);
    this.#wake?.();
  }

  end(error: KubeError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  /** Null at the end. */
  async next(): Promise<WatchEvent | null> {
    for (;;) {
      const event = this.#queue.shift();
      if (event !== undefined) return event;
      if (this.#error !== null) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}
