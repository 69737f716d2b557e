/**
 * An etcd database as records of our store. All of it is checked on the way: the file as bbolt would, and what it holds, so
 * that a file which was read to its end is one that a member can live on.
 */
import { decodeRole, decodeUser } from "../../src/api/gen/auth.ts";
import { decodeStoredLease } from "../../src/api/gen/command.ts";
import { decodeAlarmMember, encodeAlarmMember } from "../../src/api/gen/maintenance.ts";
import { Bucket } from "../../src/backend/buckets.ts";
import { toRecordKey } from "../../src/backend/record.ts";
import { unreachable } from "../../src/base/assert.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { BoltFile, type BoltPass, type BoltRow } from "../../src/bbolt/reader.ts";
import type { ByteSource } from "../../src/bbolt/pages.ts";
import { encodeLease } from "../../src/lease/lease-record.ts";
import { alarmKey } from "../../src/machine/alarms.ts";
import { RecordReader } from "../../src/mvcc/record.ts";
import { readRevisionKey } from "../../src/mvcc/revision.ts";
import { ETCD_BUCKETS, EtcdBucket, fromEtcdRevision, MetaKey } from "./layout.ts";

/** A record of ours: its key with the bucket's prefix, its payload without CRC. Views that stay as they are. */
export interface ImportedRecord {
  readonly recordKey: Uint8Array;
  readonly payload: Uint8Array;
}

/** What a file says of itself, known once it was read. */
export interface EtcdFacts {
  /** The last main revision; 0 if there is no key. */
  readonly revision: number;
  /** -1 if there was no compaction. */
  readonly compactRevision: number;
  /** Empty before etcd 3.6. */
  readonly storageVersion: string;
}

/** Sees the file as it is, bucket by bucket in its order: for checksums. */
export interface RowVisitor {
  onBucket(name: string): void;
  onRow(key: Uint8Array, value: Uint8Array): void;
}

/** The newest etcd whose files are known. */
const NEWEST = { major: 3, minor: 6 } as const;
const KNOWN_BUCKETS: ReadonlySet<string> = new Set(ETCD_BUCKETS);

export class EtcdFile {
  readonly #file: BoltFile;

  /** Rejects with "corruption" for what is no database, or a part of one. */
  static async open(source: ByteSource): Promise<EtcdFile> {
    return new EtcdFile(await BoltFile.open(source));
  }

  private constructor(file: BoltFile) {
    this.#file = file;
  }

  /** Bytes of the database: what follows in the file is not of it. */
  get bytes(): number {
    return this.#file.meta.pageCount * this.#file.meta.pageBytes;
  }

  /** Begins to read the whole. Rejects with "corruption", also for a database that is not etcd's. */
  async read(visit: RowVisitor | null = null): Promise<EtcdReading> {
    const pass = await this.#file.pass();
    const unknown = pass.buckets.find((bucket) => !KNOWN_BUCKETS.has(bucket));
    if (unknown !== undefined || !pass.buckets.includes(EtcdBucket.key)) {
      const found = unknown === undefined ? "no bucket 'key'" : `the bucket '${unknown}'`;
      throw new QuorateError("corruption", `this database is not etcd's: it has ${found}`);
    }
    return new EtcdReading(pass, visit);
  }
}

/** One reading of a file: all records, then the facts. */
export class EtcdReading {
  readonly #pass: BoltPass;
  readonly #visit: RowVisitor | null;
  readonly #reader = new RecordReader();
  #revision = 0;
  #compactRevision = -1;
  #storageVersion = "";

  constructor(pass: BoltPass, visit: RowVisitor | null) {
    this.#pass = pass;
    this.#visit = visit;
  }

  /**
   * Every record that a member keeps, a part at a time, bucket by bucket: history, compaction marks, leases, alarms, users,
   * roles. Members are not among them. Once. Rejects with "corruption".
   */
  async *records(): AsyncGenerator<readonly ImportedRecord[]> {
    const visit = this.#visit;
    for (const bucket of ETCD_BUCKETS) {
      if (!this.#pass.buckets.includes(bucket)) continue;
      visit?.onBucket(bucket);
      for await (const rows of this.#pass.rows(bucket)) {
        if (visit !== null) for (const [key, value] of rows) visit.onRow(key, value);
        const records: ImportedRecord[] = [];
        for (const row of rows) {
          const record = this.#record(bucket, row);
          if (record !== null) records.push(record);
        }
        yield records;
      }
    }
    await this.#pass.finish();
  }

  /** After the last record. */
  facts(): EtcdFacts {
    return {
      revision: this.#revision,
      compactRevision: this.#compactRevision,
      storageVersion: this.#storageVersion,
    };
  }

  /** Null for a row that a member does not keep. */
  #record(bucket: EtcdBucket, [key, value]: BoltRow): ImportedRecord | null {
    try {
      switch (bucket) {
        case EtcdBucket.key:
          return this.#revisionRecord(key, value);
        case EtcdBucket.meta:
          return this.#metaRecord(key, value);
        case EtcdBucket.lease:
          return leaseRecord(key, value);
        case EtcdBucket.alarm:
          return alarmRecord(key);
        case EtcdBucket.auth:
          return { recordKey: toRecordKey(Bucket.auth, key), payload: value };
        case EtcdBucket.users:
          decodeUser(value);
          return { recordKey: toRecordKey(Bucket.users, key), payload: value };
        case EtcdBucket.roles:
          decodeRole(value);
          return { recordKey: toRecordKey(Bucket.roles, key), payload: value };
        case EtcdBucket.members:
        case EtcdBucket.membersRemoved:
        case EtcdBucket.cluster:
          return null;
        default:
          return unreachable(bucket);
      }
    } catch (error) {
      if (error instanceof QuorateError && error.code === "configuration") throw error;
      throw new QuorateError("corruption", foreign(bucket, key), error);
    }
  }

  #revisionRecord(key: Buffer, value: Buffer): ImportedRecord {
    const revisionKey = fromEtcdRevision(key);
    if (revisionKey === null) throw new Error("no revision");
    const { main, tombstone } = readRevisionKey(revisionKey);
    const reader = this.#reader;
    reader.read(value);
    const isWhole = tombstone
      ? reader.keyEnd === value.length && value.length > 0
      : value.length === 0 || isVersionAt(main, reader);
    if (!isWhole) throw new Error("no version of a key at this revision");
    reader.lease(value);
    this.#revision = main;
    return { recordKey: toRecordKey(Bucket.keys, revisionKey), payload: value };
  }

  #metaRecord(key: Buffer, value: Buffer): ImportedRecord | null {
    const name = key.toString("latin1");
    if (name === MetaKey.storageVersion) {
      this.#storageVersion = value.toString();
      checkVersion(this.#storageVersion);
    }
    if (name !== MetaKey.scheduled && name !== MetaKey.finished) return null;
    const revisionKey = fromEtcdRevision(value);
    if (revisionKey === null) throw new Error("no revision");
    const { main } = readRevisionKey(revisionKey);
    if (name === MetaKey.scheduled) this.#compactRevision = main;
    return { recordKey: toRecordKey(Bucket.meta, key), payload: revisionKey.subarray(0, 8) };
  }
}

function isVersionAt(main: number, { create, mod, version }: RecordReader): boolean {
  return mod === main && create > 0 && create <= main && version > 0;
}

function leaseRecord(key: Buffer, value: Buffer): ImportedRecord {
  const { id, ttl, remainingTtl } = decodeStoredLease(value);
  if (key.length !== 8 || key.readBigInt64BE() !== id) throw new Error("no lease of this id");
  const payload = encodeLease({ id, ttl, remainingTtl });
  return { recordKey: toRecordKey(Bucket.lease, key), payload };
}

function alarmRecord(key: Buffer): ImportedRecord {
  const alarm = decodeAlarmMember(key);
  const payload = Buffer.from(encodeAlarmMember(alarm));
  return { recordKey: toRecordKey(Bucket.alarms, alarmKey(alarm)), payload };
}

function checkVersion(version: string): void {
  const match = /^(\d+)\.(\d+)\.\d+$/.exec(version);
  if (match === null) throw new Error("no version");
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < NEWEST.major || (major === NEWEST.major && minor <= NEWEST.minor)) return;
  throw new QuorateError(
    "configuration",
    `the database has etcd's storage version ${version}, this program knows up to ${NEWEST.major}.${NEWEST.minor}: downgrade that cluster first`,
  );
}

function foreign(bucket: string, key: Buffer): string {
  return `the database is damaged: bucket '${bucket}' holds under ${key.toString("hex")} what etcd does not store there`;
}
