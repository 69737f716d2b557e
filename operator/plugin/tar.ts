/** An archive in memory: POSIX ustar, as every tar reads it. */

const BLOCK = 512;

export interface TarEntry {
  /** With `/`; at most 100 bytes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The bytes of an archive of regular files. `seconds` since 1970: the time of all of them. */
export function tar(entries: readonly TarEntry[], seconds: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { path, bytes } of entries) {
    parts.push(header(path, bytes.length, seconds), bytes);
    parts.push(new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return Buffer.concat(parts);
}

function header(path: string, size: number, seconds: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  if (Buffer.byteLength(path) > 100) throw new RangeError(`a path is too long for tar: ${path}`);
  block.write(path, 0, "utf8");
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(seconds, 136, 12);
  // The sum is taken with spaces in its own place.
  block.write("        ", 148, "latin1");
  block.write("0", 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}
