/**
 * HPACK's Huffman code (RFC 7541 appendix B). The code is canonical (symbols of one length ascend), so the lengths alone
 * give it. Decoding walks a table by half bytes: no code is shorter than five bits, so a step yields at most one symbol.
 */
import { ConnectionError, ErrorCode } from "./frame.ts";

/** Code length in bits of each byte value, then of EOS. */
// prettier-ignore
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
  28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6,
  6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6,
  6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
  20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
  22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
  23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22,
  25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;
/** States are the inner nodes of the code's tree: one fewer than its leaves. */
const STATES = LENGTHS.length - 1;

const codes: Uint32Array = canonicalCodes();
/** By (state << 4 | half byte): next state << 16 | symbol + 1 (0: none). FAIL where the input would be EOS. */
const FAIL = -1;
const steps: Int32Array = new Int32Array(STATES * 16);
/** Whether the bits since the last symbol are a legal padding: fewer than eight ones. */
const accepting: Uint8Array = new Uint8Array(STATES);
buildSteps();

function canonicalCodes(): Uint32Array {
  const order = LENGTHS.map((_, symbol) => symbol).toSorted(
    (a, b) => lengthOf(a) - lengthOf(b) || a - b,
  );
  const out = new Uint32Array(LENGTHS.length);
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    code = (code << (lengthOf(symbol) - length)) >>> 0;
    length = lengthOf(symbol);
    out[symbol] = code++;
  }
  return out;
}

function lengthOf(symbol: number): number {
  return LENGTHS[symbol] as number;
}

/** The tree: child of node n for bit b at [n * 2 + b]; inner nodes are positive, leaves are -(symbol + 1). */
function buildTree(): Int32Array {
  const children = new Int32Array(STATES * 2);
  let nodes = 1;
  for (let symbol = 0; symbol < LENGTHS.length; symbol++) {
    const length = lengthOf(symbol);
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = node * 2 + (((codes[symbol] as number) >>> bit) & 1);
      if (children[slot] === 0) children[slot] = nodes++;
      node = children[slot] as number;
    }
    children[node * 2 + ((codes[symbol] as number) & 1)] = -(symbol + 1);
  }
  return children;
}

function buildSteps(): void {
  const children = buildTree();
  for (let state = 0; state < STATES; state++) {
    for (let half = 0; half < 16; half++) {
      let node = state;
      let symbol = 0;
      for (let bit = 3; bit >= 0 && symbol !== FAIL; bit--) {
        const child = children[node * 2 + ((half >>> bit) & 1)] as number;
        if (child === -(EOS + 1)) symbol = FAIL;
        else if (child < 0) {
          symbol = -child;
          node = 0;
        } else node = child;
      }
      steps[(state << 4) | half] = symbol === FAIL ? FAIL : (node << 16) | symbol;
    }
  }
  // Padding is the most significant bits of EOS, which is all ones.
  for (let ones = 0, node = 0; ones < 8; ones++) {
    accepting[node] = 1;
    node = children[node * 2 + 1] as number;
  }
}

let scratch: Buffer = Buffer.allocUnsafeSlow(1024);

/** The text, one character a byte. Throws COMPRESSION_ERROR for EOS in the middle or a wrong padding. */
export function decodeHuffman(bytes: Uint8Array, from: number, end: number): string {
  // Five bits are the shortest code.
  const longest = Math.ceil(((end - from) * 8) / 5);
  if (scratch.length < longest) scratch = Buffer.allocUnsafeSlow(longest * 2);
  const out = scratch;
  let length = 0;
  let state = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at] as number;
    const high = steps[(state << 4) | (byte >>> 4)] as number;
    if (high === FAIL) throw corrupt();
    if ((high & 0xffff) !== 0) out[length++] = (high & 0xffff) - 1;
    const low = steps[((high >>> 16) << 4) | (byte & 0xf)] as number;
    if (low === FAIL) throw corrupt();
    if ((low & 0xffff) !== 0) out[length++] = (low & 0xffff) - 1;
    state = low >>> 16;
  }
  if (accepting[state] !== 1) throw corrupt();
  return out.toString("latin1", 0, length);
}

function corrupt(): ConnectionError {
  return new ConnectionError(
    ErrorCode.compressionError,
    "a string that is not Huffman-coded as it says",
  );
}

/** The code of a latin1 text. The engine sends plain literals; tests and tools compress with this. */
export function encodeHuffman(text: string): Uint8Array {
  const out: number[] = [];
  let pending = 0n;
  let bits = 0;
  for (const character of Buffer.from(text, "latin1")) {
    pending = (pending << BigInt(lengthOf(character))) | BigInt(codes[character] as number);
    bits += lengthOf(character);
    for (; bits >= 8; bits -= 8) out.push(Number((pending >> BigInt(bits - 8)) & 0xffn));
    pending &= (1n << BigInt(bits)) - 1n;
  }
  if (bits > 0) out.push(Number((pending << BigInt(8 - bits)) | ((1n << BigInt(8 - bits)) - 1n)));
  return Uint8Array.from(out);
}
