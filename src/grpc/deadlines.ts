/**
 * Deadlines of all calls of a server in one wheel: entering and leaving are a few pointer writes, and one timer runs while
 * there is any. A deadline fires up to one slot late, never early.
 */
import type { TurnClock } from "./clock.ts";

const SLOT_MS = 10;
const SLOTS = 1024;
const MASK = SLOTS - 1;

/** The links that a call carries to be on the wheel. Null while it is not. */
export interface DeadlineEntry {
  /** In slots since the clock's zero; the entry fires when the wheel has passed it. */
  deadlineSlot: number;
  deadlineNext: DeadlineEntry | null;
  deadlinePrevious: DeadlineEntry | null;
  onDeadline(): void;
}

export class DeadlineWheel {
  readonly #clock: TurnClock;
  readonly #heads: (DeadlineEntry | null)[] = Array.from<null>({ length: SLOTS }).fill(null);
  #count = 0;
  /** Slots before this one have been looked at. */
  #cursor = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: TurnClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  /** Has `entry.onDeadline` called `afterMs` from now unless it leaves before. It must not be on the wheel. */
  enter(entry: DeadlineEntry, afterMs: number): void {
    const now = this.#clock.now();
    if (this.#count === 0) {
      this.#cursor = Math.floor(now / SLOT_MS);
      this.#timer ??= setInterval(() => this.#tick(), SLOT_MS).unref();
    }
    this.#count++;
    const slot = Math.max(Math.ceil((now + afterMs) / SLOT_MS), this.#cursor);
    const index = slot & MASK;
    const head = this.#heads[index] as DeadlineEntry | null;
    entry.deadlineSlot = slot;
    entry.deadlineNext = head;
    entry.deadlinePrevious = null;
    if (head !== null) head.deadlinePrevious = entry;
    this.#heads[index] = entry;
  }

  /** Takes it off the wheel. It must be on it. */
  leave(entry: DeadlineEntry): void {
    const { deadlineNext: next, deadlinePrevious: previous } = entry;
    if (previous === null) this.#heads[entry.deadlineSlot & MASK] = next;
    else previous.deadlineNext = next;
    if (next !== null) next.deadlinePrevious = previous;
    entry.deadlineNext = null;
    entry.deadlinePrevious = null;
    entry.deadlineSlot = -1;
    this.#count--;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    this.#clock.expire();
    const current = Math.floor(this.#clock.now() / SLOT_MS);
    // After a long stall one whole turn of the wheel has looked at everything.
    const from = Math.max(this.#cursor, current - SLOTS + 1);
    this.#cursor = current + 1;
    for (let slot = from; slot <= current; slot++) this.#fire(slot & MASK, current);
    if (this.#count === 0) this.close();
  }

  #fire(index: number, current: number): void {
    let entry = this.#heads[index] as DeadlineEntry | null;
    while (entry !== null) {
      // Read first: firing takes the entry off. Its handler may end others too, so go on from the head then.
      const next: DeadlineEntry | null = entry.deadlineNext;
      if (entry.deadlineSlot <= current) {
        this.leave(entry);
        entry.onDeadline();
        entry = this.#heads[index] as DeadlineEntry | null;
      } else entry = next;
    }
  }
}
