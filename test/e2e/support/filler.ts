/** Fills a store to its quota: a program for the toolbox. */
import type { Toolbox } from "./toolbox.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * One key, written over and over with bytes that nothing can compress, so that all but the last is history. Says how often once
 * the store refuses.
 */
const PROGRAM = `
import { randomBytes } from "node:crypto";
const { Client } = await import("/opt/quorate/dist/src/client/client.js");
const [endpoint, times] = process.argv.slice(1);
const tls = { ca: { file: "/tls/ca.crt" }, cert: { file: "/tls/tls.crt" }, key: { file: "/tls/tls.key" } };
const client = new Client({ endpoints: [endpoint], tls });
let count = 0;
try {
  for (; count < Number(times); count++) await client.kv.put("history", randomBytes(${CHUNK_BYTES}));
} catch (thrown) {
  if (!/database space exceeded/.test(String(thrown))) throw thrown;
}
await client.close();
console.log(count);
`;

/** Resolves with how many bytes were taken before the store refused; throws when it takes `limitBytes` and more. */
export async function fillUp(box: Toolbox, endpoint: string, limitBytes: number): Promise<number> {
  const times = Math.ceil(limitBytes / CHUNK_BYTES);
  const told = await box.run("node", "--input-type=module", "-e", PROGRAM, endpoint, `${times}`);
  if (Number(told) >= times) throw new Error(`${limitBytes} bytes were taken, and none refused`);
  return Number(told) * CHUNK_BYTES;
}
