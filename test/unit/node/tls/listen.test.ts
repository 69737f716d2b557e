/** From URLs to listeners: schemes side by side on one address, sockets, and addresses that are taken. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { request as secureRequest } from "node:https";
import { listenAll } from "../../../../node/listen.ts";
import { defaultLimits } from "../../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../../src/grpc/server.ts";
import { freePorts } from "../../../conformance/support/cluster.ts";
import { Scene } from "./fixture.ts";

let scene: Scene;
let server: GrpcServer;
beforeEach(() => {
  scene = new Scene();
  server = new GrpcServer({
    router: new Map(),
    http: (_request, respond) => respond({ status: 200, headers: {}, body: "here" }),
    limits: defaultLimits,
    observer: null,
    onError: assert.ifError,
  });
  scene.open.push(server);
});
afterEach(() => scene.close());

async function listen(...urls: readonly string[]): Promise<void> {
  await listenWith([], urls);
}

async function listenWith(flags: readonly string[], urls: readonly string[]): Promise<void> {
  const credentials = await scene.opened(scene.clientSettings(...flags));
  await listenAll(
    server,
    "listen-client-urls",
    urls.map((url) => new URL(url)),
    credentials,
  );
}

function get(options: { port: number } | { socketPath: string }, secure: boolean): Promise<string> {
  const { certificate: cert, key } = scene.pki.client;
  const tls = { ca: scene.pki.trusted, cert, key, servername: "localhost" };
  return new Promise((resolve, reject) => {
    const all = { host: "127.0.0.1", ...options, agent: false, ...(secure ? tls : {}) };
    const call = (secure ? secureRequest : request)(all, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve(body));
    });
    call.on("error", reject);
    call.end();
  });
}

describe("listenAll", () => {
  it("serves one address with and without TLS where both are named, and with TLS alone where not", async () => {
    const [both = 0, secure = 0] = await freePorts(2);
    const at = (port: number): string => `127.0.0.1:${port}`;
    await listen(`http://${at(both)}`, `https://${at(both)}`, `https://${at(secure)}`);
    assert.equal(await get({ port: both }, false), "here");
    assert.equal(await get({ port: both }, true), "here");
    assert.equal(await get({ port: secure }, true), "here");
    await assert.rejects(get({ port: secure }, false));
  });

  it("serves every URL with TLS without it too, sockets as well, where plaintext is allowed", async () => {
    const [port = 0] = await freePorts(1);
    const socketPath = join(scene.folder, "c.sock");
    await listenWith(
      ["--client-allow-plaintext"],
      [`https://127.0.0.1:${port}`, `unixs://${socketPath}`],
    );
    for (const secure of [false, true]) {
      assert.equal(await get({ port }, secure), "here");
      assert.equal(await get({ socketPath }, secure), "here");
    }
  });

  it("serves sockets, with TLS and without, and takes the place of one that was left behind", async () => {
    const [plain, secure] = ["a.sock", "b.sock"].map((name) => join(scene.folder, name));
    const left = createServer();
    await new Promise<void>((resolve) => left.listen(plain, resolve));
    await listen(`unix://${plain}`, `unixs://${secure}`);
    assert.equal(await get({ socketPath: plain ?? "" }, false), "here");
    assert.equal(await get({ socketPath: secure ?? "" }, true), "here");
    left.close();
  });

  it("leaves alone what is no socket, and names the flag and the address that is taken", async () => {
    const file = join(scene.folder, "file");
    writeFileSync(file, "precious");
    await assert.rejects(
      listen(`unix://${file}`),
      /--listen-client-urls: cannot listen on \S+file \(EADDRINUSE\): choose another address/,
    );
    assert.ok(existsSync(file));
    const [port = 0] = await freePorts(1);
    await listen(`http://127.0.0.1:${port}`);
    await assert.rejects(
      listen(`http://127.0.0.1:${port}`),
      /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/,
    );
  });
});
