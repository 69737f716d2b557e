/** Certificate revocation lists (RFC 5280 section 5): read for the listeners, made for tests and authorities. */
import type { KeyObject } from "node:crypto";
import { authorityKeyIdentifier, extension } from "./certificate.ts";
import {
  contextTag,
  element,
  type DerElement,
  integer,
  malformed,
  readAll,
  readOne,
  readTime,
  sequence,
  Tag,
  time,
} from "./der.ts";
import { decodePem } from "./pem.ts";
import { signatureAlgorithm, signed } from "./signature.ts";

export interface RevocationFields {
  /** Encoded name of the issuer. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Grows with each list of this issuer. */
  readonly number: bigint;
  readonly serials: readonly bigint[];
}

/** Answers DER. */
export function issueRevocationList(fields: RevocationFields, issuerKey: KeyObject): Uint8Array {
  const revoked = fields.serials.map((serial) =>
    sequence(integer(serial), time(fields.thisUpdate)),
  );
  const extensions = sequence(
    extension("2.5.29.35", false, authorityKeyIdentifier(issuerKey)),
    extension("2.5.29.20", false, integer(fields.number)),
  );
  const body = sequence(
    integer(1n), // version 2
    signatureAlgorithm(issuerKey),
    fields.issuer,
    time(fields.thisUpdate),
    time(fields.nextUpdate),
    ...(revoked.length > 0 ? [sequence(...revoked)] : []),
    element(contextTag(0, true), extensions),
  );
  return signed(body, issuerKey);
}

export interface RevocationList {
  /** As `toSerial` writes them. */
  readonly serials: ReadonlySet<string>;
  /** When the issuer promised a newer list; null if it did not. */
  readonly nextUpdate: Date | null;
}

/**
 * Reads DER or PEM (all lists of a bundle), without verifying signatures: whoever could forge the file could empty it as
 * well. Throws QuorateError "invalidArgument" for anything else.
 */
export function readRevocationList(bytes: Uint8Array): RevocationList {
  const blocks = decodePem("X509 CRL", Buffer.from(bytes).toString("latin1"));
  const serials = new Set<string>();
  let nextUpdate: Date | null = null;
  for (const der of blocks.length > 0 ? blocks : [bytes]) {
    const next = readOneList(der, serials);
    if (next !== null && (nextUpdate === null || next < nextUpdate)) nextUpdate = next;
  }
  return { serials, nextUpdate };
}

/** Adds the serials of one list; answers its nextUpdate. */
function readOneList(der: Uint8Array, serials: Set<string>): Date | null {
  const list = readOne(der);
  const [body, , signature] = readAll(list.content);
  if (list.tag !== Tag.sequence || body === undefined || signature?.tag !== Tag.bitString) {
    throw malformed("it is not a revocation list");
  }
  const fields = readAll(body.content);
  // version (optional), algorithm, issuer, thisUpdate, nextUpdate (optional), revoked (optional), extensions (optional)
  const at = fields[0]?.tag === Tag.integer ? 1 : 0;
  if (
    fields[at]?.tag !== Tag.sequence ||
    fields[at + 1]?.tag !== Tag.sequence ||
    !isTime(fields[at + 2])
  ) {
    throw malformed("it is not a revocation list");
  }
  const next = fields[at + 3];
  const hasNext = isTime(next);
  const revoked = fields[hasNext ? at + 4 : at + 3];
  for (const entry of revoked?.tag === Tag.sequence ? readAll(revoked.content) : []) {
    const [serial] = readAll(entry.content);
    if (serial?.tag !== Tag.integer) throw malformed("a revoked certificate has no serial");
    serials.add(toSerial(Buffer.from(serial.content).toString("hex")));
  }
  return hasNext && next !== undefined ? readTime(next) : null;
}

function isTime(field: DerElement | undefined): boolean {
  return field?.tag === Tag.utcTime || field?.tag === Tag.generalizedTime;
}

/** Hexadecimal of a serial number as Node prints it: capitals, without leading zeros. */
export function toSerial(hex: string): string {
  return hex.toUpperCase().replace(/^0+(?=.)/, "");
}
