/** A member's state as etcd would have it: bucket by bucket, from a point in time. Each record is checked, and all counted. */
import { decodeStoredMember, encodeStoredLease } from "../../src/api/gen/command.ts";
import { decodeDowngradeInfo } from "../../src/api/gen/maintenance.ts";
import type { BackendRow } from "../../src/backend/backend.ts";
import type { SealedView } from "../../src/backend/buffer.ts";
import { Bucket } from "../../src/backend/buckets.ts";
import { BucketTotals, corruption } from "../../src/backend/record.ts";
import { STATE_KEY, totalsOf } from "../../src/backend/state.ts";
import { unreachable } from "../../src/base/assert.ts";
import { equalBytes } from "../../src/base/bytes.ts";
import type { BoltRow } from "../../src/bbolt/reader.ts";
import type { BucketPlan } from "../../src/bbolt/writer.ts";
import { decodeLease } from "../../src/lease/lease-record.ts";
import type { Member } from "../../src/machine/members.ts";
import { readU64 } from "../../src/mvcc/revision.ts";
import {
  ClusterKey,
  ETCD_REVISION_BYTES_MAX,
  EtcdBucket,
  etcdRevisionOf,
  MetaKey,
  toEtcdRevision,
} from "./layout.ts";

/** One read of the store: small, so that the loop serves others between two. */
const ROWS_MAX = 2_000;
const BYTES_MAX = 128 * 1024;
/** What the record of a revision takes more in etcd's bucket than in ours: a separator, but neither bucket nor CRC. */
const REVISION_EXTRA_BYTES = -4;
const EMPTY_VALUE: Buffer = Buffer.alloc(0);

/** A part of a bucket, in the order of keys. */
export type EtcdRows = AsyncGenerator<readonly BoltRow[]>;

export class EtcdExport {
  readonly #sealed: SealedView;
  readonly #storageVersion: string;
  readonly #members: readonly Member[];

  /** The view stays the caller's, to be closed after the last row. */
  static async open(sealed: SealedView, storageVersion: string): Promise<EtcdExport> {
    const members: Member[] = [];
    for await (const rows of records(sealed, Bucket.members)) {
      for (const [, payload] of rows) members.push(decodeStoredMember(payload));
    }
    return new EtcdExport(sealed, storageVersion, members);
  }

  private constructor(sealed: SealedView, storageVersion: string, members: readonly Member[]) {
    this.#sealed = sealed;
    this.#storageVersion = storageVersion;
    this.#members = members;
  }

  /** How much a bucket is going to hold. Reads all of them but the history, whose size the store knows. */
  async plan(name: EtcdBucket): Promise<BucketPlan> {
    if (name === EtcdBucket.key) {
      const { count, bytes } = totalsOf(this.#sealed.totals, Bucket.keys);
      const grown = bytes + count * REVISION_EXTRA_BYTES;
      return { name, count, bytes: grown, keyBytesMax: ETCD_REVISION_BYTES_MAX };
    }
    let [count, bytes, keyBytesMax] = [0, 0, 0];
    for await (const rows of this.rows(name)) {
      count += rows.length;
      for (const [key, value] of rows) {
        bytes += key.length + value.length;
        keyBytesMax = Math.max(keyBytesMax, key.length);
      }
    }
    return { name, count, bytes, keyBytesMax };
  }

  /** A bucket's rows. Rejects with "corruption" where a record is damaged, or, at the end, where one is missing. */
  async *rows(name: EtcdBucket): EtcdRows {
    switch (name) {
      case EtcdBucket.key:
        return yield* this.#copies(Bucket.keys, toEtcdRevision);
      case EtcdBucket.auth:
        return yield* this.#copies(Bucket.auth, asIs);
      case EtcdBucket.users:
        return yield* this.#copies(Bucket.users, asIs);
      case EtcdBucket.roles:
        return yield* this.#copies(Bucket.roles, asIs);
      case EtcdBucket.lease:
        return yield* this.#leases();
      case EtcdBucket.alarm:
        return yield* this.#alarms();
      case EtcdBucket.members:
        return yield* inOrder(this.#members.filter(({ removed }) => !removed).map(memberRow));
      case EtcdBucket.membersRemoved:
        return yield* inOrder(this.#members.filter(({ removed }) => removed).map(removedRow));
      case EtcdBucket.meta:
        return yield* inOrder(await this.#meta());
      case EtcdBucket.cluster:
        return yield* inOrder(await this.#cluster());
      default:
        return unreachable(name);
    }
  }

  async *#copies(bucket: Bucket, toKey: (key: Uint8Array) => Buffer): EtcdRows {
    for await (const rows of records(this.#sealed, bucket)) {
      yield rows.map(([key, payload]): BoltRow => [toKey(key), asIs(payload)]);
    }
  }

  async *#leases(): EtcdRows {
    for await (const rows of records(this.#sealed, Bucket.lease)) {
      yield rows.map(([key, payload]): BoltRow => {
        const { id, ttl, remainingTtl } = decodeLease(key, payload);
        return [asIs(key), Buffer.from(encodeStoredLease({ id, ttl, remainingTtl }))];
      });
    }
  }

  /** The alarm itself is the key. */
  async *#alarms(): EtcdRows {
    const alarms: BoltRow[] = [];
    for await (const rows of records(this.#sealed, Bucket.alarms)) {
      for (const [, payload] of rows) alarms.push([asIs(payload), EMPTY_VALUE]);
    }
    yield* inOrder(alarms);
  }

  async #meta(): Promise<BoltRow[]> {
    const { appliedIndex, term } = this.#sealed;
    const members = this.#members.filter(({ removed }) => !removed);
    const rows: BoltRow[] = [
      [Buffer.from(MetaKey.consistentIndex), u64(appliedIndex)],
      [Buffer.from(MetaKey.term), u64(term)],
      [Buffer.from(MetaKey.confState), Buffer.from(confState(members))],
      [Buffer.from(MetaKey.storageVersion), Buffer.from(this.#storageVersion)],
    ];
    const marks = new Set<string>([MetaKey.scheduled, MetaKey.finished]);
    for await (const own of records(this.#sealed, Bucket.meta)) {
      for (const [key, payload] of own) {
        if (marks.has(asIs(key).toString()))
          rows.push([asIs(key), etcdRevisionOf(readU64(payload, 0))]);
      }
    }
    return rows;
  }

  async #cluster(): Promise<BoltRow[]> {
    let version: Buffer = Buffer.from(this.#storageVersion); // as long as nobody had reason to set it
    const rows: BoltRow[] = [];
    for await (const own of records(this.#sealed, Bucket.meta)) {
      for (const [key, payload] of own) {
        const name = asIs(key).toString();
        if (name === ClusterKey.version) version = asIs(payload);
        if (name === ClusterKey.downgrade) rows.push([asIs(key), downgradeValue(payload)]);
      }
    }
    rows.push([Buffer.from(ClusterKey.version), version]);
    return rows;
  }
}

function downgradeValue(payload: Uint8Array): Buffer {
  const { targetVersion, enabled } = decodeDowngradeInfo(payload);
  return Buffer.from(JSON.stringify({ "target-version": targetVersion, enabled }));
}

/**
 * The records of a bucket of ours, without prefix and CRC, a part at a time. Rejects with "corruption" where one is damaged, or
 * at the end where they are not those that the store counted.
 */
async function* records(
  { view, totals }: SealedView,
  bucket: Bucket,
): AsyncGenerator<readonly BackendRow[]> {
  const counted = new BucketTotals();
  const rows = view.iterate(Uint8Array.of(bucket), Uint8Array.of(bucket + 1));
  try {
    for (;;) {
      const part = await rows.next(ROWS_MAX, BYTES_MAX);
      if (part.length === 0) break;
      const opened: BackendRow[] = [];
      for (const [recordKey, value] of part) {
        const key = recordKey.subarray(1);
        if (bucket === Bucket.meta && equalBytes(key, STATE_KEY)) continue; // counts itself nowhere
        opened.push([key, counted.addStored(recordKey, value)]);
      }
      yield opened;
    }
  } finally {
    await rows.close();
  }
  const expected = totalsOf(totals, bucket);
  if (counted.equals(expected)) return;
  const found = `it holds ${String(counted)}, but was left with ${String(expected)}`;
  throw corruption(Uint8Array.of(bucket), found);
}

async function* inOrder(rows: readonly BoltRow[]): EtcdRows {
  if (rows.length > 0)
    yield await Promise.resolve(rows.toSorted(([a], [b]) => Buffer.compare(a, b)));
}

function memberRow(member: Member): BoltRow {
  const id = member.id.toString(16);
  // By hand: the id takes all 64 bits, more than a number of JSON.stringify has.
  const fields = [`"id":${member.id}`, `"peerURLs":${JSON.stringify(member.peerUrls)}`];
  if (member.isLearner) fields.push('"isLearner":true');
  if (member.name !== "") fields.push(`"name":${JSON.stringify(member.name)}`);
  if (member.clientUrls.length > 0)
    fields.push(`"clientURLs":${JSON.stringify(member.clientUrls)}`);
  return [Buffer.from(id), Buffer.from(`{${fields.join(",")}}`)];
}

function removedRow(member: Member): BoltRow {
  return [Buffer.from(member.id.toString(16)), Buffer.from("removed")];
}

function confState(members: readonly Member[]): string {
  const ids = (learner: boolean): string =>
    members
      .filter(({ isLearner }) => isLearner === learner)
      .map(({ id }) => id)
      .join(",");
  const learners = ids(true);
  const fields = [`"voters":[${ids(false)}]`];
  if (learners !== "") fields.push(`"learners":[${learners}]`);
  return `{${[...fields, '"auto_leave":false'].join(",")}}`;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function asIs(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
