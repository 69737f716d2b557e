/** Who may come in, and whom a member is willing to meet. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { connectivityState } from "@grpc/grpc-js";
import { loadConfig } from "../../../../node/config.ts";
import { peerDialer } from "../../../../node/peer/dialer.ts";
import type { Credentials } from "../../../../node/tls/credentials.ts";
import { withOwnCertificate } from "../../../../node/tls/self-signed.ts";
import { issue, newAuthority } from "../../../conformance/support/tls.ts";
import { until } from "../../../conformance/support/tools.ts";
import { HOUR_MS, PEER_URLS, Scene } from "./fixture.ts";

let scene: Scene;
beforeEach(() => (scene = new Scene()));
afterEach(() => scene.close());

describe("a client", () => {
  it("is refused once its certificate, or one above it, is on the list", async () => {
    const later = new Date(Date.now() + HOUR_MS);
    const list = (number: bigint, ...serials: bigint[]): void =>
      scene.pki.replace("crl", scene.pki.authority.revoke(serials, number, new Date(), later));
    list(1n);
    const credentials = await scene.opened(
      scene.clientSettings(`--client-crl-file=${scene.pki.path("crl")}`),
    );
    const url = await scene.served(credentials);
    assert.equal(await scene.asked(url), "client");
    list(2n, 5n, scene.pki.client.serial);
    await until("the refusal", 5_000, async () => (await scene.asked(url)) !== "client");
    assert.ok(scene.logged(/rejected.*127\.0\.0\.1:\d+.*serial \w+ is revoked/));
    list(3n);
    await until("mercy", 5_000, async () => (await scene.asked(url)) === "client");
    const root = (await scene.opened(scene.clientSettings())).settings;
    assert.equal(root.revocations, null);
  });

  it("needs one of the allowed common names", async () => {
    const url = await scene.served(
      await scene.opened(scene.clientSettings("--client-cert-allowed-cn=other,client")),
    );
    assert.equal(await scene.asked(url), "client");
    const strict = await scene.served(
      await scene.opened(scene.clientSettings("--client-cert-allowed-cn=other")),
    );
    assert.match(await scene.asked(strict), /Error/);
    assert.ok(scene.logged(/no allowed common name/));
  });

  it("needs a certificate for one of the allowed host names, which no common name replaces", async () => {
    const url = await scene.served(
      await scene.opened(scene.clientSettings("--client-cert-allowed-hostname=client,a.b.example")),
    );
    assert.match(await scene.asked(url), /Error/);
    assert.ok(scene.logged(/no allowed host name/));
    scene.pki.client = issue(scene.pki.authority, {
      commonName: "star",
      names: ["*.b.example"],
      uses: ["client"],
    });
    assert.equal(await scene.asked(url), "star");
    scene.pki.client = issue(scene.pki.authority, {
      commonName: "deep",
      names: ["*.example"],
      uses: ["client"],
    });
    assert.match(await scene.asked(url), /Error/);
  });

  it("needs a certificate at all, of a trusted authority, for clients, and one that has not ended", async () => {
    const credentials = await scene.opened(scene.clientSettings());
    const url = await scene.served(credentials);
    const own = scene.pki.client;
    const stranger = newAuthority("stranger");
    const orders = [
      issue(stranger, { commonName: "x", uses: ["client"] }),
      issue(scene.pki.authority, { commonName: "x", uses: ["server"] }),
      issue(scene.pki.authority, {
        commonName: "x",
        uses: ["client"],
        notAfter: new Date(Date.now() - 1000),
      }),
    ];
    for (const pair of orders) {
      scene.pki.client = pair;
      assert.match(await scene.asked(url), /Error/);
    }
    scene.pki.client = own;
    assert.equal(await scene.asked(url), "client");
    assert.equal(credentials.refusals, 3);
    assert.ok(scene.logged(/INVALID_PURPOSE/) && scene.logged(/CERT_HAS_EXPIRED/));
  });

  it("is told of in the log only so often", async () => {
    const credentials = await scene.opened(scene.clientSettings("--client-cert-allowed-cn=other"));
    const url = await scene.served(credentials);
    for (let at = 0; at < 40; at++) await scene.asked(url);
    assert.equal(credentials.refusals, 40);
    assert.equal(scene.lines.filter(({ message }) => message.startsWith("rejected")).length, 30);
  });
});

describe("a peer", () => {
  const peers: readonly [string, readonly string[], readonly string[], RegExp][] = [
    ["from an address that its certificate names", ["127.0.0.1"], [], /^client$/],
    ["whose certificate names no address", [], [], /^client$/],
    ["whose host name leads to its address", ["localhost"], [], /^client$/],
    ["from an address that its certificate does not name", ["10.1.2.3"], [], /Error/],
    ["whose host name leads elsewhere", ["nowhere.invalid"], [], /Error/],
    [
      "from anywhere, if the check is skipped",
      ["10.1.2.3"],
      ["--peer-skip-client-san-verification"],
      /^client$/,
    ],
  ];
  for (const [what, names, flags, expected] of peers) {
    it(`${expected.test("client") ? "may come" : "is refused"} ${what}`, async () => {
      scene.pki.client = issue(scene.pki.authority, {
        commonName: "client",
        names,
        uses: ["client"],
      });
      const url = await scene.served(await scene.opened(scene.peerSettings(...flags)));
      assert.match(await scene.asked(url), expected);
    });
  }
});

/** Whether the first connection to `url` by the dialer of these credentials succeeds. */
async function dialed(credentials: Credentials, url: string): Promise<"ready" | "refused"> {
  const client = peerDialer(credentials)([url]);
  const channel = client.getChannel();
  try {
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return "ready";
      if (state === connectivityState.TRANSIENT_FAILURE) return "refused";
      await new Promise<void>((resolve, reject) =>
        channel.watchConnectivityState(state, Date.now() + 5_000, (error) =>
          error === undefined ? resolve() : reject(error),
        ),
      );
    }
  } finally {
    client.close();
  }
}

describe("a dialer", () => {
  it("meets members that the authority vouches for, by the name in their URL", async () => {
    const credentials = await scene.opened(scene.peerSettings());
    const url = await scene.served(credentials);
    assert.equal(await dialed(credentials, url), "ready");
    assert.equal(await dialed(credentials, url.replace("127.0.0.1", "localhost")), "ready");
    scene.pki.write(
      "peer",
      issue(scene.pki.authority, {
        commonName: "127.0.0.1",
        names: ["other"],
        uses: ["server", "client"],
      }),
    );
    const misnamed = await scene.opened(scene.peerSettings("--peer-skip-client-san-verification"));
    assert.equal(await dialed(credentials, await scene.served(misnamed)), "refused");
    scene.pki.write(
      "peer",
      issue(newAuthority("stranger"), {
        commonName: "p",
        names: ["127.0.0.1"],
        uses: ["server", "client"],
      }),
    );
    assert.equal(
      await dialed(credentials, await scene.served(await scene.opened(scene.peerSettings()))),
      "refused",
    );
  });

  it("shows and trusts with each connection what the files say by then", async () => {
    const credentials = await scene.opened(scene.peerSettings());
    const dial = peerDialer(credentials);
    const client = dial([await scene.served(credentials)]);
    scene.open.push(client);
    const next = newAuthority("next");
    scene.pki.authority = next;
    scene.pki.writeTrusted(next.certificate);
    scene.pki.renew();
    await until("the reload", 5_000, () => credentials.reloads > 0);
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + 3_000, (error) =>
        error === undefined ? resolve() : reject(error),
      ),
    );
  });

  it("refuses members whose certificate was revoked or has another name than the allowed", async () => {
    const plain = await scene.opened(scene.peerSettings());
    const url = await scene.served(plain);
    scene.pki.replace(
      "crl",
      scene.pki.authority.revoke(
        [scene.pki.peer.serial],
        1n,
        new Date(),
        new Date(Date.now() + HOUR_MS),
      ),
    );
    const listed = await scene.opened(
      scene.peerSettings(`--peer-crl-file=${scene.pki.path("crl")}`),
    );
    assert.equal(await dialed(listed, url), "refused");
    assert.equal(
      await dialed(await scene.opened(scene.peerSettings("--peer-cert-allowed-cn=peer")), url),
      "ready",
    );
    assert.equal(
      await dialed(await scene.opened(scene.peerSettings("--peer-cert-allowed-cn=x")), url),
      "refused",
    );
  });

  it("meets members that made their certificates themselves", async () => {
    const settings = loadConfig([...PEER_URLS, "--peer-auto-tls"], {}).peerTls;
    const own = withOwnCertificate(settings, join(scene.folder, "a"), scene.logger, new Date());
    const other = withOwnCertificate(settings, join(scene.folder, "b"), scene.logger, new Date());
    assert.equal(
      await dialed(await scene.opened(own), await scene.served(await scene.opened(other))),
      "ready",
    );
    const strict = await scene.opened(scene.peerSettings());
    assert.equal(await dialed(strict, await scene.served(await scene.opened(other))), "refused");
  });
});
