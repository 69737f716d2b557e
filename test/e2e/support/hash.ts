/** HashKV of a restored cluster, worked out from what the cluster that was backed up had at that revision. */
import { crc32c } from "../../../src/base/checksum.ts";
import { encodeKeyValue } from "../../../src/api/gen/mvcc.ts";
import type { Toolbox } from "./toolbox.ts";

/** So many revisions after its snapshot a restored cluster goes on, so that nobody sees time go back. */
const RAISED_BY = 1_000_000_000;

interface Row {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
}

interface Answer {
  readonly header: { readonly revision: number };
  readonly kvs?: readonly Row[];
}

interface MemberHash {
  readonly HashKV: { readonly hash: number; readonly hash_revision: number };
}

export async function revisionOf(box: Toolbox): Promise<number> {
  return (JSON.parse(await box.ctl("get", "nothing", "-w", "json")) as Answer).header.revision;
}

/** Of every member, at this revision (0: the newest of each): all are the same, or this throws. */
export async function commonHash(box: Toolbox, revision: number): Promise<number> {
  const args = ["endpoint", "hashkv", "--cluster", `--rev=${revision}`, "-w", "json"];
  const told = JSON.parse(await box.ctl(...args)) as MemberHash[];
  const [hash, ...others] = new Set(told.map(({ HashKV }) => HashKV.hash));
  if (hash === undefined || others.length > 0) throw new Error(JSON.stringify(told));
  return hash;
}

/** The last revision in the snapshot that a cluster was restored from, which nobody has written to since. */
export async function restoredRevision(box: Toolbox): Promise<number> {
  return (await revisionOf(box)) - RAISED_BY;
}

/**
 * By the definition: CRC-32C over the bucket's name and over each record that is live, in the order of revisions, and at the end
 * over the empty record that raises the revision. Only for keys that were put one by one, without a lease.
 */
export async function expectedHash(source: Toolbox, revision: number): Promise<number> {
  const args = ["get", "", "--prefix", `--rev=${revision}`, "-w", "json"];
  const { kvs = [] } = JSON.parse(await source.ctl(...args)) as Answer;
  let crc = crc32c(Buffer.from("key"));
  for (const row of kvs.toSorted((a, b) => a.mod_revision - b.mod_revision)) {
    const record = {
      key: Buffer.from(row.key, "base64"),
      value: Buffer.from(row.value ?? "", "base64"),
      createRevision: row.create_revision,
      modRevision: row.mod_revision,
      version: row.version,
      lease: 0n,
    };
    crc = crc32c(encodeKeyValue(record), crc32c(revisionKey(row.mod_revision), crc));
  }
  return crc32c(revisionKey(revision + RAISED_BY), crc);
}

/** As etcd stores it: main, an underscore, sub. */
function revisionKey(main: number): Uint8Array {
  const key = Buffer.alloc(17);
  key.writeBigUInt64BE(BigInt(main), 0);
  key[8] = 0x5f;
  return key;
}
