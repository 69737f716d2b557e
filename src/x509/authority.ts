/** A certificate authority: a key that vouches for the keys of others. */
import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { present } from "../base/assert.ts";
import { type CertificateFields, issueCertificate, type KeyUse } from "./certificate.ts";
import { contextTag, readAll, readOne } from "./der.ts";
import { encodeName } from "./names.ts";
import { encodePem } from "./pem.ts";
import { issueRevocationList } from "./revocation.ts";

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Order extends Validity {
  /** Null for none. */
  readonly commonName: string | null;
  readonly organizations?: readonly string[];
  /** Host names and IP addresses. */
  readonly names: readonly string[];
  readonly uses: readonly KeyUse[];
}

/** A certificate with its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
  readonly serial: bigint;
}

/** Positive and unguessable, as CAs number their certificates. */
function randomSerial(): bigint {
  return BigInt(`0x01${randomBytes(15).toString("hex")}`);
}

function newKey(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function toPkcs8(privateKey: KeyObject): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function toPem(der: Uint8Array, privateKey: KeyObject, serial: bigint): KeyPair {
  return {
    certificate: encodePem("CERTIFICATE", der),
    key: toPkcs8(privateKey),
    serial,
  };
}

/** A certificate that vouches for itself, with a new P-256 key. */
export function selfSigned(order: Order): KeyPair {
  const { publicKey, privateKey } = newKey();
  const fields = fieldsOf(order, null);
  return toPem(issueCertificate(fields, publicKey, privateKey), privateKey, fields.serial);
}

function fieldsOf(order: Order, issuer: Uint8Array | null): CertificateFields {
  const subject = encodeName({ ...order, organizations: order.organizations ?? [] });
  return { ...order, serial: randomSerial(), subject, issuer: issuer ?? subject };
}

export class Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
  readonly #privateKey: KeyObject;
  readonly #name: Uint8Array;

  /** From PEM, as `create` made them or any other tool. Throws what `node:crypto` throws for what is neither. */
  constructor(certificate: string, key: string) {
    this.certificate = certificate;
    this.key = key;
    this.#privateKey = createPrivateKey(key);
    this.#name = subjectOf(new X509Certificate(certificate).raw);
  }

  /** A new root. */
  static create(commonName: string, validity: Validity): Authority {
    const uses: KeyUse[] = ["authority"];
    const pair = selfSigned({ ...validity, commonName, names: [], uses });
    return new Authority(pair.certificate, pair.key);
  }

  /** A new P-256 key and a certificate for it. */
  issue(order: Order): KeyPair {
    const { publicKey, privateKey } = newKey();
    const { certificate, serial } = this.certify(order, publicKey);
    return { certificate, key: toPkcs8(privateKey), serial };
  }

  /** A certificate, PEM, for a key that somebody else keeps. */
  certify(
    order: Order,
    publicKey: KeyObject,
  ): { readonly certificate: string; readonly serial: bigint } {
    const fields = fieldsOf(order, this.#name);
    const der = issueCertificate(fields, publicKey, this.#privateKey);
    return { certificate: encodePem("CERTIFICATE", der), serial: fields.serial };
  }

  /** The list, DER, of everything that this authority revoked. `number` grows from list to list. */
  revoke(
    serials: readonly bigint[],
    number: bigint,
    thisUpdate: Date,
    nextUpdate: Date,
  ): Uint8Array {
    const fields = { issuer: this.#name, thisUpdate, nextUpdate, number, serials };
    return issueRevocationList(fields, this.#privateKey);
  }
}

/** The subject of a certificate, as it is encoded there: an issuer's name must be byte for byte that of its certificate. */
function subjectOf(der: Uint8Array): Uint8Array {
  const [body] = readAll(readOne(der).content);
  const fields = readAll(present(body, "a certificate has a body").content);
  // version (optional), serial, algorithm, issuer, validity, subject
  const at = fields[0]?.tag === contextTag(0, true) ? 5 : 4;
  return present(fields[at], "a certificate has a subject").whole;
}
