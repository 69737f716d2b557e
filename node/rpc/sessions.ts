/** Open streams that hold on to what their user may see: each looks again when users, roles or permissions change. */

/** A stream with something to lose. */
export interface Session {
  /** Gives up what its user may not have any more. */
  recheck(): void;
}

export class Sessions {
  readonly #open = new Set<Session>();

  add(session: Session): void {
    this.#open.add(session);
  }

  delete(session: Session): void {
    this.#open.delete(session);
  }

  /** In the turn in which the change is applied, before any later entry is. */
  recheck(): void {
    for (const session of Array.from(this.#open)) session.recheck();
  }
}
