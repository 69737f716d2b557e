/** Signing, and the AlgorithmIdentifier that says how (RFC 5758, RFC 4055, RFC 8410). */
import { sign, type KeyObject } from "node:crypto";
import { QuorateError } from "../base/errors.ts";
import { bitString, element, oid, sequence, Tag } from "./der.ts";

interface Algorithm {
  readonly hash: string | null;
  readonly identifier: Uint8Array;
}

const ECDSA: Readonly<Record<string, Algorithm>> = {
  prime256v1: { hash: "sha256", identifier: sequence(oid("1.2.840.10045.4.3.2")) },
  secp384r1: { hash: "sha384", identifier: sequence(oid("1.2.840.10045.4.3.3")) },
  secp521r1: { hash: "sha512", identifier: sequence(oid("1.2.840.10045.4.3.4")) },
};
const RSA: Algorithm = {
  hash: "sha256",
  identifier: sequence(oid("1.2.840.113549.1.1.11"), element(Tag.null)),
};
const ED25519: Algorithm = { hash: null, identifier: sequence(oid("1.3.101.112")) };

function algorithmOf(key: KeyObject): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const ecdsa = type === "ec" ? ECDSA[details?.namedCurve ?? ""] : undefined;
  if (ecdsa !== undefined) return ecdsa;
  if (type === "rsa") return RSA;
  if (type === "ed25519") return ED25519;
  throw new QuorateError("invalidArgument", "a key must be P-256, P-384, P-521, RSA or Ed25519");
}

/** The AlgorithmIdentifier with which `key` signs. Throws QuorateError "invalidArgument" for a kind of key that is not known. */
export function signatureAlgorithm(key: KeyObject): Uint8Array {
  return algorithmOf(key).identifier;
}

/** The envelope of certificates and lists alike: what is signed, how, and the signature. */
export function signed(body: Uint8Array, key: KeyObject): Uint8Array {
  const { hash, identifier } = algorithmOf(key);
  return sequence(body, identifier, bitString(sign(hash, body, key)));
}
