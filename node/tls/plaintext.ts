/** Who still comes without TLS where both are served: nobody may, before a cluster begins to require it. */
import type { Logger } from "../../src/base/ports.ts";

/** Hosts that are named in the log, each once; the metrics count all. */
const TOLD_MAX = 100;

export class PlaintextUse {
  readonly #side: string;
  readonly #logger: Logger;
  readonly #told: Set<string> = new Set();
  /** Connections that are open now, and all that ever were. */
  open = 0;
  accepted = 0;

  constructor(side: string, logger: Logger) {
    this.#side = side;
    this.#logger = logger;
  }

  /** A connection from `host:port` begins; what is answered is called at its end. */
  begin(remoteAddress: string): () => void {
    this.open++;
    this.accepted++;
    const host = remoteAddress.slice(0, remoteAddress.lastIndexOf(":"));
    if (!this.#told.has(host) && this.#told.size < TOLD_MAX) {
      this.#told.add(host);
      this.#logger.info({ side: this.#side, host }, "serves a host that comes without TLS");
    }
    return () => void this.open--;
  }
}
