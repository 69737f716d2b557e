/** States that went to peers and came from them. */
import type { MemberId } from "../../src/raft/types.ts";
import { exponentialBounds, HandHistogram } from "../histogram.ts";

export interface Transfers {
  inFlight: number;
  succeeded: number;
  failed: number;
  bytes: number;
  /** Of those that succeeded. */
  readonly seconds: HandHistogram;
}

/** One direction, by peer. */
export class TransferStats {
  readonly byPeer: Map<MemberId, Transfers> = new Map();

  /** A transfer begins; call the answer once when it has ended. */
  begin(peer: MemberId, nowMs: number): (nowMs: number, ok: boolean, bytes: number) => void {
    const transfers = this.#of(peer);
    transfers.inFlight++;
    return (endMs, ok, bytes) => {
      transfers.inFlight--;
      transfers.bytes += bytes;
      if (ok) {
        transfers.succeeded++;
        transfers.seconds.observe((endMs - nowMs) / 1000);
      } else {
        transfers.failed++;
      }
    };
  }

  #of(peer: MemberId): Transfers {
    let transfers = this.byPeer.get(peer);
    if (transfers === undefined) {
      const seconds = new HandHistogram(exponentialBounds(0.1, 2, 10));
      transfers = { inFlight: 0, succeeded: 0, failed: 0, bytes: 0, seconds };
      this.byPeer.set(peer, transfers);
    }
    return transfers;
  }
}
