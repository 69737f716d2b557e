/** The flags of TLS: what they mean together, and every contradiction in one line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildConfig, loadConfig, type Config } from "../../../../node/config.ts";
import { readSettings } from "../../../../node/settings.ts";
import { QuorateError } from "../../../../src/base/errors.ts";

const LISTEN = ["--listen-client-urls=https://h:1", "--advertise-client-urls=https://h:1"];
const PAIR = ["--cert-file=c", "--key-file=k"];
const PEER = ["--listen-peer-urls=https://h:2", "--initial-advertise-peer-urls=https://h:2"];
const PEER_PAIR = ["--peer-cert-file=c", "--peer-key-file=k"];

function config(...args: readonly string[]): Config {
  return loadConfig(args, {});
}

describe("the flags of TLS", () => {
  it("are off by default", () => {
    const { clientTls, peerTls } = config();
    for (const side of [clientTls, peerTls]) {
      assert.equal(side.pair, null);
      assert.equal(side.clientsMustProve, false);
      assert.equal(side.selfSigned, null);
    }
  });

  it("name files with the flags they came from", () => {
    const { clientTls } = config(...LISTEN, ...PAIR, "--trusted-ca-file=a", "--client-crl-file=l");
    assert.deepEqual(clientTls.pair, {
      certificate: { flag: "cert-file", path: "c" },
      key: { flag: "key-file", path: "k" },
    });
    assert.deepEqual(clientTls.trusted, { flag: "trusted-ca-file", path: "a" });
    assert.deepEqual(clientTls.revocations, { flag: "client-crl-file", path: "l" });
    assert.equal(clientTls.checkAddress, false);
  });

  it("ask for certificates as soon as there is an authority to verify them, as etcd does", () => {
    assert.ok(config(...LISTEN, ...PAIR, "--trusted-ca-file=a").clientTls.clientsMustProve);
    const { peerTls } = config(...PEER, ...PEER_PAIR, "--peer-trusted-ca-file=a");
    assert.ok(peerTls.clientsMustProve);
    assert.ok(peerTls.checkAddress);
    const trusting = ["--peer-trusted-ca-file=a", "--peer-skip-client-san-verification"];
    assert.ok(!config(...PEER, ...PEER_PAIR, ...trusting).peerTls.checkAddress);
  });

  it("map Go's cipher suites to OpenSSL's, beside those of TLS 1.3", () => {
    const { clientTls, peerTls } = config(
      "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    );
    const first = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    assert.deepEqual(clientTls.protocol, {
      ciphers: `${first}:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305`,
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
    });
    assert.deepEqual(peerTls.protocol, clientTls.protocol);
    const newest = config("--tls-min-version=TLS1.3").peerTls.protocol;
    assert.deepEqual([newest.minVersion, newest.maxVersion], ["TLSv1.3", "TLSv1.3"]);
    const oldest = config("--tls-max-version=TLS1.2").peerTls.protocol;
    assert.deepEqual([oldest.minVersion, oldest.maxVersion], ["TLSv1.2", "TLSv1.2"]);
  });

  it("take every suite that this runtime has without a word, and weak ones with one", () => {
    const strong = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    assert.deepEqual(config(`--cipher-suites=${strong}`).warnings, []);
    const { warnings } = config(`--cipher-suites=${strong},TLS_RSA_WITH_AES_128_CBC_SHA`);
    assert.deepEqual(warnings, ["--cipher-suites: TLS_RSA_WITH_AES_128_CBC_SHA is weak"]);
  });

  it("may come from the sections of etcd's configuration file", () => {
    const yaml = `
listen-client-urls: https://h:1
advertise-client-urls: https://h:1
listen-peer-urls: https://h:2
client-transport-security:
  cert-file: c
  key-file: k
  client-cert-auth: true
  trusted-ca-file: a
  allowed-hostname: [one, two]
peer-transport-security:
  cert-file: pc
  key-file: pk
  trusted-ca-file: pa
  allowed-cn: [three]
  skip-client-san-verification: true
`;
    const read = readSettings({ args: ["--config-file=f"], environment: {}, readFile: () => yaml });
    const { clientTls, peerTls } = buildConfig(read);
    assert.equal(clientTls.pair?.certificate.path, "c");
    assert.deepEqual(clientTls.allowedHosts, ["one", "two"]);
    assert.equal(peerTls.pair?.key.path, "pk");
    assert.deepEqual(peerTls.allowedNames, ["three"]);
    assert.equal(peerTls.checkAddress, false);
  });

  it("warn of what is served without TLS beside a certificate, and of trust in everybody", () => {
    const mixed = [
      "--listen-client-urls=https://h:1,http://h:2",
      "--advertise-client-urls=https://h:1",
    ];
    assert.deepEqual(config(...mixed, ...PAIR).warnings, [
      "http://h:2: served without TLS, although --cert-file is given",
    ]);
    assert.deepEqual(config(...LISTEN, ...PAIR, "--client-cert-auth").warnings, [
      "--client-cert-auth without --trusted-ca-file trusts every public authority",
    ]);
    assert.deepEqual(config(...LISTEN, ...PAIR, "--auto-tls").warnings, [
      "--auto-tls is ignored: --cert-file is given",
    ]);
  });

  it("allow plaintext on URLs with TLS, each side for itself, and warn of it", () => {
    assert.equal(config(...LISTEN, ...PAIR).clientTls.plaintextToo, false);
    const both = ["--listen-metrics-urls=https://h:3,http://h:4", "--trusted-ca-file=a"];
    const of = config(...LISTEN, ...PAIR, ...both, "--client-allow-plaintext");
    assert.deepEqual([of.clientTls.plaintextToo, of.peerTls.plaintextToo], [true, false]);
    assert.deepEqual(of.warnings, [
      "http://h:4: served without TLS, although --cert-file is given",
      "--client-allow-plaintext: https://h:1, https://h:3 served without TLS as well, where nobody is asked for a certificate",
    ]);
    const peers = config(...PEER, ...PEER_PAIR, "--peer-allow-plaintext");
    assert.deepEqual([peers.clientTls.plaintextToo, peers.peerTls.plaintextToo], [false, true]);
    assert.deepEqual(peers.warnings, [
      "--peer-allow-plaintext: https://h:2 served without TLS as well",
    ]);
    assert.ok(config(...PEER, "--peer-auto-tls", "--peer-allow-plaintext").peerTls.plaintextToo);
  });

  it("may allow plaintext from the environment, and from the sections of the file", () => {
    const environment = {
      QUORATE_CLIENT_ALLOW_PLAINTEXT: "true",
      ETCD_LISTEN_CLIENT_URLS: "https://h:1",
      ETCD_ADVERTISE_CLIENT_URLS: "http://h:1",
      ETCD_CERT_FILE: "c",
      ETCD_KEY_FILE: "k",
    };
    const of = buildConfig(readSettings({ args: [], environment, readFile: () => "" }));
    assert.ok(of.clientTls.plaintextToo);
    assert.deepEqual(of.advertiseClientUrls, ["http://h:1"]);
    const side = "\n  cert-file: c\n  key-file: k\n  allow-plaintext: true\n";
    const yaml = `
listen-client-urls: https://h:1
advertise-client-urls: https://h:1
listen-peer-urls: https://h:2
client-transport-security:${side}
peer-transport-security:${side}`;
    const args = ["--config-file=f"];
    const file = buildConfig(readSettings({ args, environment: {}, readFile: () => yaml }));
    assert.deepEqual([file.clientTls.plaintextToo, file.peerTls.plaintextToo], [true, true]);
  });

  it("make certificates for the hosts that are listened on", () => {
    const { peerTls } = config(...PEER, "--peer-auto-tls", "--self-signed-cert-validity=3");
    assert.deepEqual(peerTls.selfSigned, { hosts: ["h"], years: 3 });
  });

  const wrong: readonly [readonly string[], RegExp][] = [
    [["--cert-file=c"], /--cert-file needs --key-file: add it/],
    [["--key-file=k"], /--key-file needs --cert-file: add it/],
    [["--peer-client-cert-file=c"], /--peer-client-cert-file needs --peer-client-key-file/],
    [["--client-cert-file=c", "--client-key-file=k"], /needs --cert-file and --key-file/],
    [LISTEN, /--listen-client-urls: https:\/\/h:1 needs --cert-file and --key-file/],
    [
      ["--listen-metrics-urls=https://h:3"],
      /--listen-metrics-urls: https:\/\/h:3 needs --cert-file/,
    ],
    [["--listen-client-http-urls=unixs://s"], /--listen-client-http-urls: unixs:\/\/s needs/],
    [PEER, /--listen-peer-urls: https:\/\/h:2 needs --peer-cert-file/],
    [["--client-allow-plaintext"], /no URL of --listen-client-urls has it: write https:\/\/, or/],
    [
      [...LISTEN, ...PAIR, "--peer-allow-plaintext"],
      /--peer-allow-plaintext is for URLs with TLS, but no URL of --listen-peer-urls has it/,
    ],
    [[...PEER, "--peer-allow-plaintext"], /needs --peer-cert-file and --peer-key-file: add them/],
    [["--client-cert-auth"], /no URL of --listen-client-urls has TLS: write https/],
    [
      [...PEER, ...PEER_PAIR, "--peer-crl-file=l"],
      /nobody has to show: add --peer-trusted-ca-file/,
    ],
    [[...PEER, ...PEER_PAIR, "--peer-cert-allowed-cn=x"], /add --peer-trusted-ca-file/],
    [
      [
        ...LISTEN,
        ...PAIR,
        "--trusted-ca-file=a",
        "--client-cert-allowed-cn=x",
        "--client-cert-allowed-hostname=y",
      ],
      /exclude each other: remove one/,
    ],
    [[...LISTEN, "--auto-tls", "--client-cert-auth"], /--auto-tls trusts nobody's certificate/],
    [[...LISTEN, "--auto-tls", "--self-signed-cert-validity=0"], /must be at least 1/],
    [["--cipher-suites=NONE"], /--cipher-suites: 'NONE' is no suite/],
    [["--cipher-suites=TLS_RSA_WITH_RC4_128_SHA"], /is not offered any more: remove it/],
    [
      ["--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "--tls-min-version=TLS1.3"],
      /--cipher-suites cannot be configured when only TLS1.3 is enabled/,
    ],
    [["--tls-min-version=TLS1.1"], /--tls-min-version=TLS1.1 must be TLS1.2 or TLS1.3/],
    [["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"], /is above --tls-max-version=TLS1.2/],
    [["--listen-peer-urls=unix://s"], /must start with http:\/\/ or https:\/\//],
    [["--listen-metrics-urls=unix://"], /must name the path of a socket|is not a URL/],
  ];
  for (const [args, expected] of wrong) {
    it(`are refused in one line: ${args.join(" ")}`, () => {
      assert.throws(
        () => config(...args),
        (error: unknown) => {
          assert.ok(error instanceof QuorateError);
          assert.equal(error.code, "configuration");
          assert.match(error.message, expected);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        },
      );
    });
  }
});
