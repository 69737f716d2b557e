/** PEM (RFC 7468): base64 between two lines that say what it is. */

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** The contents of all blocks of this kind, such as `CERTIFICATE`, in order. Text between blocks is ignored. */
export function decodePem(kind: string, text: string): Uint8Array[] {
  return Array.from(text.matchAll(BLOCK))
    .filter((match) => match[1] === kind)
    .map((match) => Buffer.from(match[2] ?? "", "base64"));
}

export function encodePem(kind: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}
