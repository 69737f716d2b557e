/** Names in certificates: who it is about, and under which host names and addresses it may be met. */
import { contextTag, element, oid, sequence, setOfOne, utf8 } from "./der.ts";

const COMMON_NAME = "2.5.4.3";
const ORGANIZATION = "2.5.4.10";

export interface Subject {
  /** Null for none: such a certificate has alternative names alone. */
  readonly commonName: string | null;
  readonly organizations: readonly string[];
}

/** The Name of RFC 5280 section 4.1.2.4. */
export function encodeName({ commonName, organizations }: Subject): Uint8Array {
  const parts = organizations.map((name) => attribute(ORGANIZATION, name));
  if (commonName !== null) parts.push(attribute(COMMON_NAME, commonName));
  return sequence(...parts);
}

function attribute(type: string, value: string): Uint8Array {
  return setOfOne(sequence(oid(type), utf8(value)));
}

/** A GeneralNames of host names and IP addresses, as they are written; `*.example.org` is a host name. */
export function encodeAlternativeNames(names: readonly string[]): Uint8Array {
  return sequence(
    ...names.map((name) => {
      const address = parseAddress(name);
      return address === null
        ? element(contextTag(2, false), Buffer.from(name, "latin1"))
        : element(contextTag(7, false), address);
    }),
  );
}

/** The 4 or 16 bytes of an IP address, null for what is none. IPv6 may stand in brackets. */
export function parseAddress(text: string): Uint8Array | null {
  return parseIpv4(text) ?? parseIpv6(text.replace(/^\[(.*)\]$/, "$1"));
}

function parseIpv4(text: string): Uint8Array | null {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? Buffer.from(bytes) : null;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (!text.includes(":") || halves.length > 2) return null;
  const [head, tail] = halves.map(parseGroups);
  if (head === undefined || head === null || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? Buffer.from(head) : null;
  const zeros = 16 - head.length - tail.length;
  return zeros < 2 ? null : Buffer.from([...head, ...new Uint8Array(zeros), ...tail]);
}

/** Bytes of colon-separated groups, of which the last may be an IPv4 address. */
function parseGroups(text: string): number[] | null {
  const bytes: number[] = [];
  const groups = text === "" ? [] : text.split(":");
  for (const [at, group] of groups.entries()) {
    const ipv4 = at === groups.length - 1 ? parseIpv4(group) : null;
    if (ipv4 !== null) bytes.push(...ipv4);
    else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return null;
  }
  return bytes;
}
