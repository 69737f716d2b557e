import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect, createServer } from "node:tls";
import { Authority, selfSigned } from "../../../src/x509/authority.ts";
import { issueCertificate } from "../../../src/x509/certificate.ts";
import { encodeName } from "../../../src/x509/names.ts";
import { decodePem } from "../../../src/x509/pem.ts";
import { readRevocationList } from "../../../src/x509/revocation.ts";

const DAY_MS = 86_400_000;
const NOW = new Date(Math.floor(Date.now() / 1000) * 1000);
const VALID = {
  notBefore: new Date(NOW.getTime() - DAY_MS),
  notAfter: new Date(NOW.getTime() + DAY_MS),
};
const HERE = ["127.0.0.1", "::1", "localhost", "*.example.org"];

/** One handshake, both sides verifying; answers what the server saw of the client, or the error of either. */
async function handshake(
  server: { certificate: string; key: string },
  client: { certificate: string; key: string },
  ca: string,
): Promise<string> {
  const listener = createServer({
    cert: server.certificate,
    key: server.key,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  try {
    return await new Promise<string>((resolve) => {
      listener.on("secureConnection", (socket) => {
        const { subject, serialNumber } = socket.getPeerCertificate();
        resolve(`${String(subject.CN)} ${serialNumber}`);
        socket.destroy();
      });
      listener.on("tlsClientError", (error) => resolve(error.message));
      const socket = connect({
        port,
        host: "127.0.0.1",
        ca,
        cert: client.certificate,
        key: client.key,
      });
      socket.on("error", (error) => resolve(error.message));
    });
  } finally {
    listener.close();
  }
}

describe("Authority", () => {
  const authority = Authority.create("test root", VALID);
  const server = authority.issue({ ...VALID, commonName: "one", names: HERE, uses: ["server"] });
  const client = authority.issue({ ...VALID, commonName: "alice", names: [], uses: ["client"] });

  it("issues what the fields say", () => {
    const read = new X509Certificate(server.certificate);
    assert.equal(read.subject, "CN=one");
    assert.equal(read.issuer, "CN=test root");
    assert.equal(read.serialNumber, server.serial.toString(16).toUpperCase().padStart(32, "0"));
    assert.equal(read.validFromDate.getTime(), VALID.notBefore.getTime());
    assert.equal(read.validToDate.getTime(), VALID.notAfter.getTime());
    assert.equal(
      read.subjectAltName,
      "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost, DNS:*.example.org",
    );
    assert.deepEqual(read.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.equal(read.ca, false);
    assert.equal(read.checkHost("a.example.org"), "*.example.org");
    assert.equal(read.checkIP("::1"), "::1");
    const root = new X509Certificate(authority.certificate);
    assert.equal(root.ca, true);
    assert.ok(read.checkIssued(root));
    assert.ok(read.verify(root.publicKey));
    assert.ok(read.checkPrivateKey(createPrivateKey(server.key)));
  });

  it("issues certificates that both ends of a TLS connection accept", async () => {
    const serial = client.serial.toString(16).toUpperCase().padStart(32, "0");
    assert.equal(await handshake(server, client, authority.certificate), `alice ${serial}`);
  });

  it("issues for one use only what is refused for the other", async () => {
    assert.match(await handshake(client, client, authority.certificate), /purpose|certificate/);
    const stranger = Authority.create("stranger", VALID);
    const foreign = stranger.issue({ ...VALID, commonName: "x", names: HERE, uses: ["server"] });
    assert.match(await handshake(foreign, client, authority.certificate), /certificate|issuer/);
  });

  it("goes on from its PEM", () => {
    const again = new Authority(authority.certificate, authority.key);
    const { certificate } = again.issue({ ...VALID, commonName: "b", names: [], uses: ["client"] });
    const read = new X509Certificate(certificate);
    assert.ok(read.checkIssued(new X509Certificate(authority.certificate)));
  });

  it("certifies a key that it never sees", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const order = { ...VALID, commonName: "c", names: [], uses: ["client"] } as const;
    const { certificate } = authority.certify(order, publicKey);
    assert.ok(new X509Certificate(certificate).publicKey.equals(publicKey));
  });

  it("writes a revocation list that reads back as it was", () => {
    const later = new Date(NOW.getTime() + DAY_MS);
    const der = authority.revoke([server.serial, 1n, 128n], 7n, NOW, later);
    const { serials, nextUpdate } = readRevocationList(der);
    const hex = server.serial.toString(16).toUpperCase();
    assert.deepEqual(serials, new Set([hex, "1", "80"]));
    assert.equal(nextUpdate?.getTime(), later.getTime());
    const pem = `-----BEGIN X509 CRL-----\n${Buffer.from(der).toString("base64")}\n-----END X509 CRL-----\n`;
    assert.deepEqual(readRevocationList(Buffer.from(pem)).serials, serials);
    assert.deepEqual(readRevocationList(authority.revoke([], 8n, NOW, later)).serials, new Set());
  });
});

describe("selfSigned", () => {
  it("is its own authority", async () => {
    const uses = ["authority", "server", "client"] as const;
    const pair = selfSigned({
      ...VALID,
      commonName: null,
      organizations: ["q"],
      names: HERE,
      uses,
    });
    const read = new X509Certificate(pair.certificate);
    assert.equal(read.subject, "O=q");
    assert.ok(read.verify(read.publicKey));
    assert.match(await handshake(pair, pair, pair.certificate), /^undefined [0-9A-F]+$/);
  });
});

/** One certificate of each kind of key, signed by itself. */
function ofEachKind(): { kind: string; der: Uint8Array; publicKey: KeyObject }[] {
  const pairs = {
    P256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    P384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
    P521: generateKeyPairSync("ec", { namedCurve: "P-521" }),
    RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    Ed25519: generateKeyPairSync("ed25519"),
  };
  const subject = encodeName({ commonName: 'Zürich, "CH"', organizations: ["a", "b"] });
  return Object.entries(pairs).map(([kind, { publicKey, privateKey }]) => {
    const fields = { ...VALID, subject, issuer: subject, names: HERE, uses: ["server"] as const };
    const der = issueCertificate({ ...fields, serial: 200n }, publicKey, privateKey);
    return { kind, der, publicKey };
  });
}

describe("issueCertificate", () => {
  it("signs with every kind of key", () => {
    for (const { kind, der, publicKey } of ofEachKind()) {
      const read = new X509Certificate(der);
      assert.ok(read.verify(publicKey), kind);
      assert.ok(read.publicKey.equals(publicKey), kind);
      assert.equal(read.serialNumber, "C8", kind);
    }
  });

  it("writes dates after 2049", () => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const subject = encodeName({ commonName: null, organizations: [] });
    const notAfter = new Date("2051-02-03T04:05:06Z");
    const der = issueCertificate(
      {
        notBefore: new Date("2049-12-31T23:59:59Z"),
        notAfter,
        serial: 1n,
        subject,
        issuer: subject,
        names: ["h"],
        uses: ["client"],
      },
      publicKey,
      privateKey,
    );
    const read = new X509Certificate(der);
    assert.equal(read.validToDate.getTime(), notAfter.getTime());
    assert.equal(read.validFromDate.getTime(), Date.parse("2049-12-31T23:59:59Z"));
  });

  it("refuses keys that cannot sign", () => {
    const { publicKey, privateKey } = generateKeyPairSync("x25519");
    const subject = encodeName({ commonName: "x", organizations: [] });
    assert.throws(
      () =>
        issueCertificate(
          { ...VALID, serial: 1n, subject, issuer: subject, names: [], uses: [] },
          publicKey,
          privateKey,
        ),
      /a key must be/,
    );
  });
});

describe("openssl, where it is installed,", () => {
  const there = spawnSync("openssl", ["version"]).status === 0;

  it("verifies the chain and the revocation list", () => {
    if (!there) return;
    const folder = mkdtempSync(join(tmpdir(), "x509-"));
    try {
      const authority = Authority.create("root", VALID);
      const { certificate, serial } = authority.issue({
        ...VALID,
        commonName: "s",
        names: HERE,
        uses: ["server"],
      });
      writeFileSync(join(folder, "ca"), authority.certificate);
      writeFileSync(join(folder, "leaf"), certificate);
      const verify = (...more: string[]): string =>
        spawnSync(
          "openssl",
          [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-CAfile",
            join(folder, "ca"),
            ...more,
            join(folder, "leaf"),
          ],
          { encoding: "utf8" },
        ).stdout;
      assert.match(verify(), /OK/);
      for (const [serials, outcome] of [
        [[], /OK/],
        [[serial], /^$/],
      ] as const) {
        const der = authority.revoke(serials, 1n, VALID.notBefore, VALID.notAfter);
        const pem = `-----BEGIN X509 CRL-----\n${Buffer.from(der).toString("base64")}\n-----END X509 CRL-----\n`;
        writeFileSync(join(folder, "crl"), pem);
        assert.match(verify("-crl_check", "-CRLfile", join(folder, "crl")), outcome);
      }
      const text = execFileSync(
        "openssl",
        ["x509", "-noout", "-text", "-in", join(folder, "leaf")],
        { encoding: "utf8" },
      );
      assert.match(text, /CA:FALSE/);
      assert.match(text, /Digital Signature/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("decodePem", () => {
  it("finds all blocks of a kind among others and prose", () => {
    const pair = selfSigned({ ...VALID, commonName: "x", names: [], uses: ["server"] });
    const text = `Subject: x\n${pair.key}\n${pair.certificate}tail\r\n${pair.certificate.replaceAll("\n", "\r\n")}`;
    const found = decodePem("CERTIFICATE", text);
    assert.equal(found.length, 2);
    assert.deepEqual(found[0], found[1]);
    assert.equal(decodePem("PRIVATE KEY", text).length, 1);
    assert.ok(createPublicKey(pair.key));
    assert.deepEqual(decodePem("CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAA"), []);
  });
});
