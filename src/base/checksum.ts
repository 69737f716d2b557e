/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as HashKV needs it. Eight bytes a step over eight tables; zlib has
 * only the other CRC-32.
 */
const POLYNOMIAL = 0x82f63b78;
const TABLES = 8;

/** `tables[k * 256 + b]`: what byte `b` contributes when `k` more bytes follow it in the step. */
const tables: Int32Array = buildTables();

function buildTables(): Int32Array {
  const built = new Int32Array(TABLES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    built[byte] = crc;
  }
  for (let at = 256; at < built.length; at++) {
    const before = built[at - 256] as number;
    built[at] = (before >>> 8) ^ (built[before & 0xff] as number);
  }
  return built;
}

/** The CRC-32C of `bytes`, going on from `crc` (0 at the start): an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  let state = ~crc;
  const { length } = bytes;
  const steps = length - (length % 8);
  let at = 0;
  for (; at < steps; at += 8) {
    state ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    state =
      (tables[1792 + (state & 0xff)] as number) ^
      (tables[1536 + ((state >>> 8) & 0xff)] as number) ^
      (tables[1280 + ((state >>> 16) & 0xff)] as number) ^
      (tables[1024 + (state >>> 24)] as number) ^
      (tables[768 + (bytes[at + 4] as number)] as number) ^
      (tables[512 + (bytes[at + 5] as number)] as number) ^
      (tables[256 + (bytes[at + 6] as number)] as number) ^
      (tables[bytes[at + 7] as number] as number);
  }
  for (; at < length; at++) {
    state = (state >>> 8) ^ (tables[(state ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~state >>> 0;
}
