/** `npm start -- --tls`: an authority, a pair for the members and one for a client, made at the first start and kept. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { Authority } from "../../src/x509/authority.ts";

const DAY_MS = 24 * 3_600_000;
const VALID_DAYS = 365;

export interface DevPki {
  /** Of a member: mutual TLS with clients and with the other members. */
  readonly memberFlags: readonly string[];
  /** Of etcdctl. */
  readonly clientFlags: readonly string[];
  /** Whether a GET over TLS, with the client's certificate, is answered 200. */
  isOk(url: string): Promise<boolean>;
}

export function openDevPki(folder: string): DevPki {
  const path = (name: string): string => join(folder, name);
  if (!isValid(path("member.pem"))) make(folder);
  const [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map((name) =>
    readFileSync(path(name)),
  );
  return {
    memberFlags: ["", "peer-"].flatMap((side) => [
      `--${side}cert-file=${path("member.pem")}`,
      `--${side}key-file=${path("member.key")}`,
      `--${side}trusted-ca-file=${path("ca.pem")}`,
    ]),
    clientFlags: [
      `--cacert=${path("ca.pem")}`,
      `--cert=${path("client.pem")}`,
      `--key=${path("client.key")}`,
    ],
    isOk: (url) =>
      new Promise((resolve) => {
        const options = { ca, cert, key, agent: false, timeout: 2_000 };
        const call = request(url, options, (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        });
        call.on("timeout", () => call.destroy());
        call.on("error", () => resolve(false));
        call.on("close", () => resolve(false));
        call.end();
      }),
  };
}

function isValid(path: string): boolean {
  return (
    existsSync(path) &&
    new X509Certificate(readFileSync(path)).validToDate.getTime() > Date.now() + DAY_MS
  );
}

/** Of a day ago, so that a clock that is set back does no harm. The authority's key is not kept. */
function make(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = Date.now();
  const validity = {
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + VALID_DAYS * DAY_MS),
  };
  const authority = Authority.create("npm start", validity);
  const pairs = {
    member: authority.issue({
      ...validity,
      commonName: "member",
      names: ["127.0.0.1", "::1", "localhost"],
      uses: ["server", "client"],
    }),
    client: authority.issue({ ...validity, commonName: "client", names: [], uses: ["client"] }),
  };
  const write = (name: string, text: string): void =>
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  write("ca.pem", authority.certificate);
  for (const [name, pair] of Object.entries(pairs)) {
    write(`${name}.key`, pair.key);
    write(`${name}.pem`, pair.certificate);
  }
}
