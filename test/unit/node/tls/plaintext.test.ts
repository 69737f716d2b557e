/** What is known of those who come without TLS to where it is served: counted while they are here, named once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PlaintextUse } from "../../../../node/tls/plaintext.ts";
import { until } from "../../../conformance/support/tools.ts";
import { RawClient } from "../../grpc/support/raw-client.ts";
import { Scene } from "./fixture.ts";

let scene: Scene;
beforeEach(() => (scene = new Scene()));
afterEach(() => scene.close());

describe("connections without TLS", () => {
  it("are counted while they are open, by HTTP/1.1 and HTTP/2, and those with TLS are not", async () => {
    const credentials = await scene.opened(scene.clientSettings("--client-allow-plaintext"));
    const { server, port } = await scene.listen(credentials);
    const { plaintext } = credentials;
    const over1 = connect(port, "127.0.0.1");
    await once(over1, "connect");
    over1.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const [answer] = (await once(over1, "data")) as [Buffer];
    // Nobody's certificate: what a client without TLS may do is for its token to say.
    assert.match(answer.toString(), /\r\nundefined$/);
    const over2 = await RawClient.open(port);
    await until("both", 5_000, () => plaintext.open === 2);
    assert.equal(await scene.asked(`https://127.0.0.1:${port}`), "client");
    assert.deepEqual([plaintext.open, plaintext.accepted], [2, 2]);
    over2.close();
    await until("the end of one", 5_000, () => plaintext.open === 1);
    over1.destroy();
    await until("the end of both", 5_000, () => plaintext.open === 0);
    const more = await RawClient.open(port);
    await until("a third", 5_000, () => plaintext.open === 1);
    await server.close();
    assert.deepEqual([plaintext.open, plaintext.accepted, more.closed], [0, 3, true]);
    assert.equal(credentials.refusals, 0);
  });

  it("are refused, and counted as that, where they are not allowed", async () => {
    const credentials = await scene.opened(scene.clientSettings());
    const { port } = await scene.listen(credentials);
    const socket: Socket = connect(port, "127.0.0.1");
    socket.on("error", () => {}).write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    assert.deepEqual([credentials.plaintext.accepted, credentials.refusals], [0, 1]);
  });

  it("name each host once, and a hundred hosts at most", () => {
    const use = new PlaintextUse("client", scene.logger);
    for (const port of [1, 2, 3]) use.begin(`[::1]:${port}`)();
    for (let at = 0; at < 200; at++) use.begin(`10.0.0.${at}:1`)();
    assert.equal(use.accepted, 203);
    assert.equal(scene.lines.length, 100);
    assert.deepEqual(scene.lines[0], {
      level: "info",
      message: "serves a host that comes without TLS",
      fields: { side: "client", host: "[::1]" },
    });
  });
});
