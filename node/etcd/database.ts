/** A member's state as the bytes of an etcd database, front to back. */
import { BoltWriter } from "../../src/bbolt/writer.ts";
import type { EtcdExport } from "./export.ts";
import { ETCD_BUCKETS } from "./layout.ts";

export class EtcdDatabase {
  readonly #export: EtcdExport;
  readonly #writer: BoltWriter;

  /** Counts what is small, and knows the size of the file then. */
  static async open(from: EtcdExport): Promise<EtcdDatabase> {
    const plans = [];
    for (const name of ETCD_BUCKETS) plans.push(await from.plan(name));
    return new EtcdDatabase(from, new BoltWriter(plans));
  }

  private constructor(from: EtcdExport, writer: BoltWriter) {
    this.#export = from;
    this.#writer = writer;
  }

  get fileBytes(): number {
    return this.#writer.fileBytes;
  }

  /** The file in order, in pieces that are the caller's. Once. Rejects with "corruption" where the store is damaged. */
  async *pieces(): AsyncGenerator<readonly Buffer[]> {
    const writer = this.#writer;
    for (const name of ETCD_BUCKETS) {
      writer.begin(name);
      for await (const rows of this.#export.rows(name)) {
        for (const [key, value] of rows) writer.add(key, value);
        yield writer.take();
      }
      writer.end();
    }
    writer.finish();
    yield writer.take();
  }
}
