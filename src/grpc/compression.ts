import { gunzipSync } from "node:zlib";

/** Why a compressed message could not be opened. */
export type Inflated =
  | { readonly kind: "message"; readonly bytes: Buffer }
  | { readonly kind: "tooLarge" }
  | { readonly kind: "corrupt" };

const TOO_LARGE: Inflated = { kind: "tooLarge" };
const CORRUPT: Inflated = { kind: "corrupt" };

/** Inflates a gzip message. Stops as soon as the output passes `bytesMax`, so a bomb costs no more memory than a message. */
export function inflateGzip(compressed: Uint8Array, bytesMax: number): Inflated {
  try {
    return {
      kind: "message",
      bytes: gunzipSync(compressed, { maxOutputLength: Math.max(bytesMax, 1) }),
    };
  } catch (error) {
    return codeOf(error) === "ERR_BUFFER_TOO_LARGE" ? TOO_LARGE : CORRUPT;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
