/** Database files in memory. */
import type { BoltRow } from "../../../src/bbolt/reader.ts";
import { BoltFile } from "../../../src/bbolt/reader.ts";
import type { ByteSource } from "../../../src/bbolt/pages.ts";
import { type BucketPlan, BoltWriter } from "../../../src/bbolt/writer.ts";

/** What a file holds: rows by bucket, in the order of keys. */
export type Content = ReadonlyMap<string, readonly (readonly [key: Buffer, value: Buffer])[]>;

export function planOf(name: string, rows: readonly BoltRow[]): BucketPlan {
  return {
    name,
    count: rows.length,
    bytes: rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0),
    keyBytesMax: rows.reduce((most, [key]) => Math.max(most, key.length), 0),
  };
}

/** `slack`: bytes that are planned for each bucket beyond what it holds; they become free pages. */
export function writeFile(content: Content, slack = 0): Buffer {
  const plans = [...content].map(([name, rows]) => planOf(name, rows));
  const writer = new BoltWriter(plans.map((plan) => ({ ...plan, bytes: plan.bytes + slack })));
  const parts: Buffer[] = [];
  for (const [name, rows] of content) {
    writer.begin(name);
    for (const [key, value] of rows) {
      writer.add(key, value);
      parts.push(...writer.take());
    }
    writer.end();
  }
  writer.finish();
  parts.push(...writer.take());
  return Buffer.concat(parts);
}

export function sourceOf(bytes: Buffer): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

/** Everything in the file, all of it checked. */
export async function readFile(bytes: Buffer): Promise<Map<string, BoltRow[]>> {
  const file = await BoltFile.open(sourceOf(bytes));
  const pass = await file.pass();
  const content = new Map<string, BoltRow[]>();
  for (const bucket of pass.buckets) {
    const rows: BoltRow[] = [];
    for await (const part of pass.rows(bucket)) rows.push(...part);
    content.set(bucket, rows);
  }
  await pass.finish();
  return content;
}
