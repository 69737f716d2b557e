/**
 * What a URL of a member names beside how it is spoken to: host and port, as they are written. Whoever compares URLs while a
 * cluster moves to TLS, or back, compares this. A text without a scheme is taken as it is, and so is one with another scheme.
 */
export function withoutScheme(url: string): string {
  return url.replace(/^https?:\/\//, "");
}
