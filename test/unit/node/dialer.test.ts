import assert from "node:assert/strict";
import { promises as dns } from "node:dns";
import { once } from "node:events";
import { createServer } from "node:http2";
import { describe, it } from "node:test";
import { loadConfig } from "../../../node/config.ts";
import { peerDialer } from "../../../node/peer/dialer.ts";
import { Credentials } from "../../../node/tls/credentials.ts";
import { silentLogger } from "../../../src/base/ports.ts";

const NAME = "kv-0.peers.test";
/** Far less than the 30 seconds for which grpc-js would believe what it was told. */
const FOUND_MS_MAX = 8000;

describe("a link to a member", () => {
  it("follows the member's name to another address", async (context) => {
    const [old, moved] = [createServer(), createServer()];
    for (const server of [old, moved]) server.on("error", () => {});
    old.listen(0, "127.0.0.1");
    await once(old, "listening");
    const address = old.address();
    assert.ok(address !== null && typeof address === "object");
    const { port } = address;
    moved.listen(port, "127.0.0.2");
    await once(moved, "listening");

    let place = "127.0.0.1";
    const lookup = dns.lookup.bind(dns);
    context.mock.method(dns, "lookup", async (name: string, ...rest: unknown[]) =>
      name === NAME
        ? [{ address: place, family: 4 }]
        : await Reflect.apply(lookup, dns, [name, ...rest]),
    );
    const tls = await Credentials.open(loadConfig([], {}).peerTls, silentLogger);
    const client = peerDialer(tls)([`http://${NAME}:${port}`]);
    try {
      const reached = once(old, "session");
      client.getChannel().getConnectivityState(true);
      const [session] = (await reached) as [{ destroy(): void }];

      place = "127.0.0.2";
      const found = once(moved, "session", { signal: AbortSignal.timeout(FOUND_MS_MAX) });
      old.close();
      session.destroy();
      const nudge = setInterval(() => client.getChannel().getConnectivityState(true), 100);
      try {
        await found;
      } finally {
        clearInterval(nudge);
      }
    } finally {
      client.close();
      tls.close();
      moved.close();
    }
  });
});
