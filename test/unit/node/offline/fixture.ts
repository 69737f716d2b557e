/** Snapshots without a process: the state of a machine in memory as the file that a client would have. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdDatabase } from "../../../../node/etcd/database.ts";
import { EtcdExport } from "../../../../node/etcd/export.ts";
import { EtcdFile, type ImportedRecord } from "../../../../node/etcd/import.ts";
import { StoreWriter } from "../../../../node/offline/store-writer.ts";
import { leaseGrantRequest } from "../../../../src/api/gen/lease.ts";
import { MemoryBackend } from "../../../../src/backend/memory.ts";
import { sourceOf } from "../../bbolt/fixture.ts";
import { MachineFixture } from "../../machine/fixture.ts";

/** The database, without its checksum. */
export async function databaseOf(fixture: MachineFixture): Promise<Buffer> {
  const sealed = await fixture.machine.buffer.sealedView();
  try {
    const database = await EtcdDatabase.open(await EtcdExport.open(sealed, "3.6.0"));
    const parts: Buffer[] = [];
    for await (const pieces of database.pieces()) parts.push(...pieces);
    return Buffer.concat(parts);
  } finally {
    await sealed.view.close();
  }
}

export function withDigest(database: Buffer): Buffer {
  return Buffer.concat([database, createHash("sha256").update(database).digest()]);
}

/** Everything that a member keeps of a database. Rejects as reading it does. */
export async function importedFrom(database: Buffer): Promise<ImportedRecord[]> {
  const reading = await (await EtcdFile.open(sourceOf(database))).read();
  const all: ImportedRecord[] = [];
  for await (const records of reading.records()) all.push(...records);
  return all;
}

/** A machine over what a database holds. */
export async function machineFrom(database: Buffer): Promise<MachineFixture> {
  const backend = new MemoryBackend();
  const store = new StoreWriter(backend);
  for (const { recordKey, payload } of await importedFrom(database)) store.add(recordKey, payload);
  await store.finish(1, 1);
  return await MachineFixture.open({ backend });
}

/** A history with everything in it. */
export async function exampleMachine(): Promise<MachineFixture> {
  const fixture = await MachineFixture.open();
  fixture.apply({ kind: "leaseGrant", value: leaseGrantRequest({ id: 7n, ttl: 600 }) });
  fixture.apply({ kind: "leaseGrant", value: leaseGrantRequest({ id: -7n, ttl: 60 }) });
  for (let at = 0; at < 300; at++) fixture.put(`key${at % 40}`, `value ${at}`.repeat(at));
  fixture.put("leased", "v", { lease: 7n });
  fixture.deleteRange("key1", "key2");
  fixture.compact(200);
  await fixture.turns(50);
  fixture.put("key1", "again");
  fixture.deleteRange("key3");
  return fixture;
}

/** A fresh directory, removed when the scope ends. */
export function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "quorate-offline-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
