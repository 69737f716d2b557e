const PLAIN = /^[ -$&-~]*$/;

/** `grpc-message`: UTF-8, every byte outside printable ASCII and `%` itself as %XX (gRPC over HTTP/2, "Percent-Byte-Encoded"). */
export function encodeStatusText(text: string): string {
  if (PLAIN.test(text)) return text;
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
