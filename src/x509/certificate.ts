/** X.509 certificates (RFC 5280), version 3: made, never judged. Judging is OpenSSL's part, through `node:tls`. */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import {
  bitString,
  boolean,
  contextTag,
  element,
  integer,
  oid,
  octetString,
  sequence,
  time,
} from "./der.ts";
import { encodeAlternativeNames } from "./names.ts";
import { signatureAlgorithm, signed } from "./signature.ts";

/** What a key may be used for; an authority issues certificates and revocation lists. */
export type KeyUse = "authority" | "server" | "client";

export interface CertificateFields {
  /** Positive, 20 bytes at most, never used twice by one issuer. */
  readonly serial: bigint;
  /** Encoded by `encodeName`. */
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Host names and IP addresses. */
  readonly names: readonly string[];
  readonly uses: readonly KeyUse[];
}

const EXTENDED_USE: Readonly<Record<Exclude<KeyUse, "authority">, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};
/** Bits of KeyUsage, counted from the left. */
const DIGITAL_SIGNATURE = 0x80;
const KEY_ENCIPHERMENT = 0x20;
const CERTIFICATE_SIGN = 0x04;
const LIST_SIGN = 0x02;

/** A certificate for `publicKey`, signed with the issuer's private key. Answers DER. */
export function issueCertificate(
  fields: CertificateFields,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Uint8Array {
  const body = sequence(
    element(contextTag(0, true), integer(2n)), // version 3
    integer(fields.serial),
    signatureAlgorithm(issuerKey),
    fields.issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject,
    publicKey.export({ type: "spki", format: "der" }),
    element(contextTag(3, true), sequence(...extensions(fields, publicKey, issuerKey))),
  );
  return signed(body, issuerKey);
}

function extensions(
  { subject, names, uses }: CertificateFields,
  publicKey: KeyObject,
  issuerKey: KeyObject,
): Uint8Array[] {
  const isAuthority = uses.includes("authority");
  const extended = uses.flatMap((use) => (use === "authority" ? [] : [oid(EXTENDED_USE[use])]));
  const list = [
    extension("2.5.29.19", true, sequence(...(isAuthority ? [boolean(true)] : []))),
    extension("2.5.29.15", true, keyUsage(isAuthority, extended.length > 0, publicKey)),
    extension("2.5.29.14", false, octetString(keyIdentifier(publicKey))),
    extension("2.5.29.35", false, authorityKeyIdentifier(issuerKey)),
  ];
  if (extended.length > 0) list.push(extension("2.5.29.37", false, sequence(...extended)));
  // RFC 5280 section 4.2.1.6: critical where there is no other name.
  const nameless = subject.length === sequence().length;
  if (names.length > 0) list.push(extension("2.5.29.17", nameless, encodeAlternativeNames(names)));
  return list;
}

function keyUsage(isAuthority: boolean, isEndpoint: boolean, publicKey: KeyObject): Uint8Array {
  let bits = 0;
  if (isAuthority) bits |= CERTIFICATE_SIGN | LIST_SIGN;
  if (isEndpoint) bits |= DIGITAL_SIGNATURE;
  if (isEndpoint && publicKey.asymmetricKeyType === "rsa") bits |= KEY_ENCIPHERMENT;
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits);
  return bitString(Buffer.from([bits]), unused);
}

/** An Extension of RFC 5280 section 4.1; `value` is DER. */
export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

/** The AuthorityKeyIdentifier of whoever signs with `issuerKey`. */
export function authorityKeyIdentifier(issuerKey: KeyObject): Uint8Array {
  const publicKey = createPublicKey(issuerKey);
  return sequence(element(contextTag(0, false), keyIdentifier(publicKey)));
}

/** Any short digest of the key will do (RFC 5280 section 4.2.1.2); 20 bytes, as the rest of the world has it. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest().subarray(0, 20);
}
