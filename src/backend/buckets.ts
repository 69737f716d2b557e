/**
 * The key spaces of the store: one prefix byte each. Disk format: never renumber, may change only by adding one.
 *
 * ```
 * record key   = bucket (1 byte) | key within the bucket
 * record value = payload | crc32 of (record key | payload), 4 bytes little-endian
 * ```
 */
export const Bucket = {
  /** 8-byte big-endian main revision, 8-byte big-endian sub revision, 0x74 ('t') if a tombstone -> mvccpb.KeyValue. */
  keys: 0x01,
  /** Applied index, term, counts, digests, compaction marks, cluster version: by name. */
  meta: 0x02,
  /** 8-byte big-endian lease id -> lease. */
  lease: 0x03,
  auth: 0x04,
  users: 0x05,
  roles: 0x06,
  /** 8-byte big-endian member id -> member; removed ids are kept for good. */
  members: 0x07,
  alarms: 0x08,
} as const;
export type Bucket = (typeof Bucket)[keyof typeof Bucket];
