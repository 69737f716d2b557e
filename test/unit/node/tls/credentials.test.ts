/** What one side shows and trusts: read, judged, read again while it is in use. */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import {
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  readFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { loadConfig } from "../../../../node/config.ts";
import { withOwnCertificate } from "../../../../node/tls/self-signed.ts";
import { QuorateError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/ports.ts";
import { encodePem } from "../../../../src/x509/pem.ts";
import { issue, newAuthority, printed } from "../../../conformance/support/tls.ts";
import { until } from "../../../conformance/support/tools.ts";
import { HOUR_MS, Scene, URLS } from "./fixture.ts";

let scene: Scene;
beforeEach(() => (scene = new Scene()));
afterEach(() => scene.close());

describe("files that are wrong at the start", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const encrypted = privateKey
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
    .toString();
  const past = new Date(Date.now() - 1000);
  const cases: readonly [string, () => void, RegExp][] = [
    [
      "a missing certificate",
      () => unlinkSync(scene.pki.path("server.pem")),
      /^--cert-file=\S+server.pem cannot be read \(ENOENT\)$/,
    ],
    [
      "a missing key",
      () => unlinkSync(scene.pki.path("server.key")),
      /^--key-file=\S+server.key cannot be read \(ENOENT\)$/,
    ],
    [
      "a missing authority",
      () => unlinkSync(scene.pki.path("ca.pem")),
      /^--trusted-ca-file=\S+ca.pem cannot be read/,
    ],
    [
      "an empty certificate",
      () => scene.pki.replace("server.pem", ""),
      /^--cert-file=\S+ holds no certificate \(PEM\)$/,
    ],
    [
      "an empty authority",
      () => scene.pki.replace("ca.pem", "x"),
      /^--trusted-ca-file=\S+ holds no certificate \(PEM\)$/,
    ],
    [
      "a damaged certificate",
      () => scene.pki.replace("server.pem", encodePem("CERTIFICATE", Buffer.from("x"))),
      /^--cert-file=\S+ holds a damaged certificate$/,
    ],
    [
      "a certificate for a key",
      () => scene.pki.replace("server.key", scene.pki.server.certificate),
      /^--key-file=\S+ holds no private key \(PEM\)$/,
    ],
    [
      "an encrypted key",
      () => scene.pki.replace("server.key", encrypted),
      /^--key-file=\S+ is encrypted: store it in plain$/,
    ],
    [
      "another key",
      () => scene.pki.replace("server.key", scene.pki.peer.key),
      /^--key-file=\S+ does not belong to the certificate in \S+server.pem$/,
    ],
    [
      "an expired certificate",
      () =>
        void scene.pki.write(
          "server",
          issue(scene.pki.authority, { commonName: "s", uses: ["server"], notAfter: past }),
        ),
      /^--cert-file=\S+ expired at 20\S+Z$/,
    ],
    [
      "a list that is none",
      () => scene.pki.replace("crl", "no list"),
      /^--client-crl-file=\S+ holds no revocation list \(PEM or DER\)$/,
    ],
  ];
  for (const [what, spoil, expected] of cases) {
    it(`are named with the reason: ${what}`, async () => {
      scene.pki.replace(
        "crl",
        scene.pki.authority.revoke([], 1n, new Date(), new Date(Date.now() + HOUR_MS)),
      );
      const settings = scene.clientSettings(`--client-crl-file=${scene.pki.path("crl")}`);
      await scene.opened(settings);
      spoil();
      await assert.rejects(scene.opened(settings), (error: unknown) => {
        assert.ok(error instanceof QuorateError);
        assert.equal(error.code, "configuration");
        assert.match(error.message, expected);
        return true;
      });
    });
  }

  it("are refused by what OpenSSL says of them, too", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const order = {
      notBefore: past,
      notAfter: new Date(Date.now() + HOUR_MS),
      commonName: "w",
      names: ["h"],
      uses: ["server"],
    } as const;
    scene.pki.replace("server.pem", scene.pki.authority.certify(order, weak.publicKey).certificate);
    scene.pki.replace("server.key", weak.privateKey.export({ type: "pkcs8", format: "pem" }));
    await assert.rejects(
      scene.opened(scene.clientSettings()),
      /--cert-file=\S+ is refused: .*key too small/,
    );
  });
});

describe("what is in use", () => {
  it("is told by fingerprints: the leaf and every trusted authority, of now", async () => {
    const digest = (pem: string): string => {
      return createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
    };
    const credentials = await scene.opened(scene.clientSettings());
    const root = digest(scene.pki.authority.certificate);
    const first = { certificate: digest(scene.pki.server.certificate), authorities: [root] };
    assert.deepEqual(credentials.material.inUse, first);
    const next = newAuthority("the next root");
    scene.pki.replace("ca.pem", scene.pki.trusted + next.certificate);
    await until("both roots are trusted", 5_000, () => {
      return credentials.material.inUse?.authorities.length === 2;
    });
    const both = { ...first, authorities: [root, digest(next.certificate)] };
    assert.deepEqual(credentials.material.inUse, both);
    const plain = await scene.opened(loadConfig([], {}).clientTls);
    assert.equal(plain.material.inUse, null);
  });
});

describe("a reload", () => {
  it("shows new certificates to new handshakes, and leaves open connections alone", async () => {
    const credentials = await scene.opened(scene.clientSettings());
    const url = await scene.served(credentials);
    const first = await scene.pki.get(url);
    assert.equal(first.serial, printed(scene.pki.server.serial));
    assert.equal(first.body, "client");
    scene.pki.renew();
    await until(
      "the new serial",
      5_000,
      async () => (await scene.pki.get(url)).serial === printed(scene.pki.server.serial),
    );
    assert.equal(credentials.reloads, 1);
    assert.ok(scene.logged(/read again.*cert-file/));
  });

  it("keeps the old ones where the new are wrong, says so once, and takes the next that are right", async () => {
    const credentials = await scene.opened(scene.clientSettings());
    const url = await scene.served(credentials);
    const before = printed(scene.pki.server.serial);
    const next = issue(scene.pki.authority, {
      commonName: "s",
      names: ["127.0.0.1"],
      uses: ["server"],
    });
    scene.pki.replace("server.pem", next.certificate);
    await until("the complaint", 5_000, () =>
      scene.logged(/old ones stay.*does not belong to the certificate/),
    );
    assert.equal((await scene.pki.get(url)).serial, before);
    assert.equal(credentials.failures, 1);
    scene.pki.replace("server.key", next.key);
    await until(
      "the new serial",
      5_000,
      async () => (await scene.pki.get(url)).serial === printed(next.serial),
    );
    const complaints = scene.lines.filter(({ level }) => level === "error");
    assert.equal(complaints.length, 1);
  });

  it("does not take a pair that is half written for a mistake", async () => {
    const credentials = await scene.opened(scene.clientSettings());
    const url = await scene.served(credentials);
    const next = issue(scene.pki.authority, {
      commonName: "s",
      names: ["127.0.0.1"],
      uses: ["server"],
    });
    scene.pki.replace("server.pem", next.certificate);
    await new Promise((resolve) => setTimeout(resolve, 300));
    scene.pki.replace("server.key", next.key);
    await until(
      "the new serial",
      5_000,
      async () => (await scene.pki.get(url)).serial === printed(next.serial),
    );
    assert.deepEqual(
      scene.lines.filter(({ level }) => level === "error"),
      [],
    );
    assert.equal(credentials.failures, 0);
  });

  it("follows a link that is moved above the files, as Kubernetes mounts secrets", async () => {
    const mount = join(scene.folder, "mount");
    const version = (name: string): void => {
      mkdirSync(join(mount, name), { recursive: true });
      const pair = issue(scene.pki.authority, {
        commonName: name,
        names: ["127.0.0.1"],
        uses: ["server"],
      });
      writeFileSync(join(mount, name, "tls.crt"), pair.certificate);
      writeFileSync(join(mount, name, "tls.key"), pair.key);
      scene.pki.server = pair;
      symlinkSync(name, join(mount, "..data_tmp"));
      renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
    };
    version("..one");
    for (const name of ["tls.crt", "tls.key"]) symlinkSync(`..data/${name}`, join(mount, name));
    const settings = loadConfig(
      [...URLS, `--cert-file=${join(mount, "tls.crt")}`, `--key-file=${join(mount, "tls.key")}`],
      {},
    ).clientTls;
    const url = await scene.served(await scene.opened(settings));
    assert.equal((await scene.pki.get(url)).serial, printed(scene.pki.server.serial));
    version("..two");
    await until(
      "the new serial",
      4_000,
      async () => (await scene.pki.get(url)).serial === printed(scene.pki.server.serial),
    );
  });
});

describe("withOwnCertificate", () => {
  it("makes a pair once, for the hosts that are listened on, and keeps it", async () => {
    const settings = loadConfig(
      [...URLS, "--auto-tls", "--self-signed-cert-validity=2"],
      {},
    ).clientTls;
    const now = new Date();
    const first = withOwnCertificate(settings, scene.folder, silentLogger, now);
    assert.equal(
      first.pair?.certificate.path,
      join(scene.folder, "fixtures", "client", "cert.pem"),
    );
    const credentials = await scene.opened(first);
    const [held] = credentials.material.held;
    assert.equal(
      held?.notAfter.getTime(),
      Math.floor(now.getTime() / 1000) * 1000 + 2 * 365 * 24 * HOUR_MS,
    );
    const again = await scene.opened(
      withOwnCertificate(settings, scene.folder, silentLogger, new Date()),
    );
    assert.equal(again.material.held[0]?.serial, held?.serial);
    const url = await scene.served(credentials);
    scene.pki.trusted = String(credentials.material.server?.cert);
    assert.equal(await scene.asked(url), "undefined");
  });

  it("makes a new pair once the old one has ended", async () => {
    const settings = loadConfig([...URLS, "--auto-tls"], {}).clientTls;
    const serial = (now: number): string => {
      const { pair } = withOwnCertificate(settings, scene.folder, silentLogger, new Date(now));
      return new X509Certificate(readFileSync(pair?.certificate.path ?? "")).serialNumber;
    };
    const now = Date.now();
    const first = serial(now - 366 * 24 * HOUR_MS);
    const second = serial(now);
    assert.notEqual(second, first);
    assert.equal(serial(now), second);
  });
});

describe("a certificate that ends soon", () => {
  it("is told of when it is read, and its seconds are what is left", async () => {
    const notAfter = new Date(Date.now() + HOUR_MS / 6);
    scene.pki.write(
      "server",
      issue(scene.pki.authority, { commonName: "s", uses: ["server"], notAfter }),
    );
    await scene.opened(scene.clientSettings());
    await scene.opened(scene.clientSettings());
    assert.ok(scene.logged(/a certificate expires soon.*"use":"cert-file"/));
    assert.ok(!scene.logged(/expires soon.*trusted-ca-file/));
    assert.ok(scene.logged(/names no host, so that clients cannot verify it/));
  });
});
