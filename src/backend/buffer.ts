/**
 * Writes on their way to the store. Apply writes here, synchronously; batches leave one at a time while the next fills;
 * reads see through to what has not arrived yet. Everything that one log entry changes, with the index of that entry, is in
 * one batch (reliability.md R1 to R4).
 */
import type { Bucket } from "./buckets.ts";

/** What a part of the state machine (mvcc, lease, auth, members) may do to the store while an entry is applied. */
export interface BucketWriter {
  /** `payload` is kept, not copied: it must not change. The CRC is added here. */
  put(bucket: Bucket, key: Uint8Array, payload: Uint8Array): void;
  /**
   * Absent keys may be deleted. `payload` is what the record holds now, where the caller has just read it: counts, digest
   * and live bytes then need no read of their own. A record of `Bucket.keys` is written once and never overwritten.
   */
  delete(bucket: Bucket, key: Uint8Array, payload?: Uint8Array): void;
}

export interface BucketReader {
  /** Payload, CRC checked, buffered writes included; undefined if absent. Throws QuorateError "corruption". */
  getSync(bucket: Bucket, key: Uint8Array): Uint8Array | undefined;
  /** The payload of a put that has not arrived in the backend yet; undefined otherwise. Never touches the backend. */
  pending(bucket: Bucket, key: Uint8Array): Uint8Array | undefined;
}
