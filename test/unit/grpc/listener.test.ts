import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer as createTlsServer,
} from "node:tls";
import { ErrorCode, FrameType, readUint32 } from "../../../src/grpc/frame.ts";
import { defaultLimits } from "../../../src/grpc/limits.ts";
import { GrpcServer } from "../../../src/grpc/server.ts";
import { HandshakeQueue } from "../../../src/grpc/tls.ts";
import { selfSigned } from "../../../src/x509/authority.ts";
import { startEcho, type EchoServer } from "./support/echo-server.ts";
import { frame, RawClient, requestBlock, unaryRequest } from "./support/raw-client.ts";

let echo: EchoServer | null = null;
afterEach(async () => {
  await echo?.server.close();
  assert.deepEqual(echo?.errors ?? [], []);
  echo = null;
});

/** Everything that the server sends until it closes. */
function talk(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let out = "";
    const socket = connectTcp(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => (out += chunk.toString("latin1")));
    socket.on("close", () => resolve(out));
    socket.on("error", () => {});
  });
}

function get(
  port: number,
  path: string,
  method = "GET",
  body = "",
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: "127.0.0.1", path, method, agent: false },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function getHttp2(
  origin: string,
  headers: Record<string, string>,
  options: object,
  body = "",
): Promise<{ status: unknown; body: string }> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin, options);
    session.on("error", reject);
    const stream = session.request(headers, { endStream: false });
    let status: unknown;
    let text = "";
    stream.on("response", (got) => (status = got[":status"]));
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    stream.on("end", () => {
      session.close();
      resolve({ status, body: text });
    });
    stream.on("error", reject);
    stream.end(body);
  });
}

/** The answer to one GET, as text. */
function overTls(port: number, options: ConnectionOptions, path = "/bare"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "127.0.0.1", ...options }, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
    );
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("end", () => resolve(text)).on("error", reject);
  });
}

describe("one port", () => {
  it("serves HTTP/1.1, with and without a body", async () => {
    echo = await startEcho();
    assert.deepEqual(await get(echo.port, "/health"), { status: 200, body: "GET /health 0" });
    assert.deepEqual(await get(echo.port, "/v3/kv/range?x=1", "POST", "12345"), {
      status: 200,
      body: "POST /v3/kv/range?x=1 5",
    });
    assert.deepEqual(await get(echo.port, "/missing"), { status: 404, body: "no\n" });
  });

  it("serves HTTP/1.1 whose first bytes come one by one, and pipelined", async () => {
    echo = await startEcho();
    const { port } = echo;
    const out = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connectTcp(port, "127.0.0.1");
      socket.setNoDelay(true);
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("close", () => resolve(text));
      void (async () => {
        for (const character of "PATCH /a HTTP/1.1\r\nhost: x\r\n\r\n") {
          socket.write(character);
          await new Promise((done) => setImmediate(done));
        }
        socket.write("GET /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      })();
    });
    assert.match(out, /PATCH \/a 0[^]*GET \/b 0$/);
  });

  it("answers HTTP/2 requests that are not gRPC with the same handler", async () => {
    echo = await startEcho();
    const origin = `http://127.0.0.1:${echo.port}`;
    assert.deepEqual(await getHttp2(origin, { ":path": "/health" }, {}), {
      status: 200,
      body: "GET /health 0",
    });
    const big = "x".repeat(300_000);
    assert.deepEqual(await getHttp2(origin, { ":path": "/p", ":method": "POST" }, {}, big), {
      status: 200,
      body: "POST /p 300000",
    });
    assert.deepEqual(await getHttp2(origin, { ":path": "/missing", ":method": "HEAD" }, {}), {
      status: 404,
      body: "",
    });
  });

  it("answers 404 with a body over both where there is no handler", async () => {
    const server = new GrpcServer({
      router: new Map(),
      http: null,
      limits: defaultLimits,
      observer: null,
      onError: assert.ifError,
    });
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 }, null);
    assert.deepEqual(await get(port, "/"), { status: 404, body: "404 page not found\n" });
    assert.deepEqual(await getHttp2(`http://127.0.0.1:${port}`, { ":path": "/" }, {}), {
      status: 404,
      body: "404 page not found\n",
    });
    await server.close();
  });

  it("closes what speaks neither", async () => {
    echo = await startEcho();
    assert.equal(await talk(echo.port, "INVALID PREFACE\r\n\r\n"), "");
    assert.equal(await talk(echo.port, "\x16\x03\x01 a TLS hello"), "");
    assert.equal(await talk(echo.port, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), "");
  });

  it("refuses a body over the limit with 413", async () => {
    echo = await startEcho({ messageBytesMax: 1_000 });
    const origin = `http://127.0.0.1:${echo.port}`;
    assert.equal(
      (await getHttp2(origin, { ":path": "/p", ":method": "POST" }, {}, "x".repeat(1_001))).status,
      413,
    );
    assert.equal((await get(echo.port, "/p", "POST", "x".repeat(1_001))).status, 413);
  });
});

describe("TLS", () => {
  const [one, other] = ["one", "two"].map((commonName) => {
    const validity = {
      notBefore: new Date(Date.now() - 1e6),
      notAfter: new Date(Date.now() + 1e6),
    };
    const uses = ["authority", "server", "client"] as const;
    const names = ["127.0.0.1", "localhost"];
    const { key, certificate } = selfSigned({ ...validity, commonName, names, uses });
    return { key, cert: certificate };
  }) as [{ key: string; cert: string }, { key: string; cert: string }];
  const { key, cert } = one;

  it("tells HTTP/2 and HTTP/1.1 apart by ALPN, and by sniffing without it", async () => {
    echo = await startEcho({}, { key, cert });
    const { port } = echo;
    assert.deepEqual(
      await getHttp2(`https://127.0.0.1:${port}`, { ":path": "/health" }, { ca: cert }),
      { status: 200, body: "GET /health 0" },
    );
    for (const ALPNProtocols of [["http/1.1"], []]) {
      const text = await overTls(port, { ca: cert, ALPNProtocols });
      assert.match(text, /GET \/bare 0$/);
    }
  });

  it("hands out the client's certificate where one is asked for and verified, and only then", async () => {
    const tls = { key, cert, ca: other.cert, requestCert: true, rejectUnauthorized: false };
    echo = await startEcho({}, tls);
    const { port } = echo;
    assert.match(await overTls(port, { ca: cert, ...other }, "/whoami"), /\r\ntwo$/);
    assert.match(await overTls(port, { ca: cert, key, cert }, "/whoami"), /\r\nnobody$/);
    const { body } = await getHttp2(
      `https://127.0.0.1:${port}`,
      { ":path": "/whoami" },
      { ca: cert, key: other.key, cert: other.cert },
    );
    assert.equal(body, "two");
  });

  it("serves new handshakes with the new certificate", async () => {
    echo = await startEcho({}, { key, cert });
    const { port, server } = echo;
    const subject = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connectTls(
          { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] },
          () => {
            resolve(String(socket.getPeerCertificate().subject.CN));
            socket.destroy();
          },
        );
        socket.on("error", reject);
      });
    assert.equal(await subject(), "one");
    server.setSecureContext(other);
    assert.equal(await subject(), "two");
  });

  it("asks the judge about each client, and serves nobody whom it refuses", async () => {
    const refused: string[] = [];
    const verdicts = ["no", Promise.resolve("not you"), Promise.resolve(null), null];
    echo = await startEcho(
      {},
      {
        key,
        cert,
        judge: () => verdicts.shift() ?? null,
        onRefused: (_from, why) => refused.push(why),
      },
    );
    const { port } = echo;
    assert.equal(await overTls(port, { ca: cert }).catch(() => "reset"), "");
    assert.equal(await overTls(port, { ca: cert }).catch(() => "reset"), "");
    assert.match(await overTls(port, { ca: cert }), /GET \/bare 0$/);
    assert.match(await overTls(port, { ca: cert }), /GET \/bare 0$/);
    assert.deepEqual(refused, ["no", "not you"]);
  });

  it("ends handshakes that take too long, and says why it refused the others", async () => {
    const refused: string[] = [];
    const onRefused = (from: string, why: string): void => {
      assert.match(from, /^127\.0\.0\.1:[1-9]\d+$/, why);
      refused.push(why);
    };
    const tls = {
      key,
      cert,
      ca: other.cert,
      requestCert: true,
      rejectUnauthorized: true,
      onRefused,
    };
    echo = await startEcho({ handshakeTimeoutMs: 50 }, tls);
    const { port } = echo;
    assert.equal(await talk(port, ""), "");
    assert.equal(await talk(port, "GET / HTTP/1.1\r\n\r\n"), "");
    await overTls(port, { ca: cert }).catch(() => "");
    await overTls(port, { ca: cert, key, cert }).catch(() => "");
    const known = [/timeout/i, /http request/, /peer did not return a certificate/, /SELF_SIGNED/];
    assert.equal(refused.length, known.length);
    for (const [at, pattern] of known.entries()) assert.match(refused[at] ?? "", pattern);
    assert.equal(echo.server.counters.connections, 0);
  });

  it("serves TLS and plaintext on one port where it is told to", async () => {
    echo = await startEcho({}, { key, cert, plaintextToo: true });
    const { port, server } = echo;
    assert.match(await overTls(port, { ca: cert }), /GET \/bare 0$/);
    assert.equal((await get(port, "/plain")).body, "GET /plain 0");
    for (const scheme of ["http", "https"]) {
      const answer = await getHttp2(
        `${scheme}://127.0.0.1:${port}`,
        { ":path": "/" },
        { ca: cert },
      );
      assert.equal(answer.body, "GET / 0");
    }
    server.setSecureContext(other);
    assert.match(await overTls(port, { ca: other.cert }), /GET \/bare 0$/);
  });

  it("never resumes a session", async () => {
    echo = await startEcho({}, { key, cert });
    const { port } = echo;
    const once = (session: Buffer | undefined, maxVersion: "TLSv1.2" | "TLSv1.3") =>
      new Promise<{ reused: boolean; session: Buffer | undefined }>((resolve, reject) => {
        const options = { port, host: "127.0.0.1", ca: cert, maxVersion };
        let ticket: Buffer | undefined;
        let reused = false;
        const given = session === undefined ? options : { ...options, session };
        const socket = connectTls(given, () => {
          reused = socket.isSessionReused();
          socket.write("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        });
        socket.on("session", (offered: Buffer) => (ticket = offered));
        socket.on("error", reject).resume();
        socket.on("close", () => resolve({ reused, session: ticket }));
      });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const first = await once(undefined, version);
      assert.equal((await once(first.session, version)).reused, false, version);
    }
  });
});

describe("HandshakeQueue", () => {
  it("begins a few handshakes a turn, in order, and none for sockets that are gone", async () => {
    const begun: Socket[] = [];
    const listener = createTlsServer();
    listener.removeAllListeners("connection");
    listener.on("connection", (socket: Socket) => void begun.push(socket));
    const queue = new HandshakeQueue(listener);
    const sockets = Array.from({ length: 10 }, () => new Socket());
    for (const socket of sockets) queue.push(socket);
    sockets[5]?.destroy();
    const counts: number[] = [];
    while (counts.length < 4) {
      counts.push(begun.length);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(counts, [1, 5, 8, 9]);
    assert.deepEqual(begun, sockets.toSpliced(5, 1));
  });
});

describe("drain", () => {
  it("says GOAWAY twice, finishes open calls, takes no new ones and closes", async () => {
    echo = await startEcho();
    const { server, held, port } = echo;
    const raw = await RawClient.open(port);
    raw.write(unaryRequest(1, "/t.T/Hold", Buffer.from("x")));
    await raw.until(() => held.length === 1, "the handler");
    const drained = server.drain(5_000);
    const ping = await raw.next(FrameType.ping, 0);
    raw.write(frame(FrameType.ping, 1, 0, ping.payload));
    await raw.until(() => raw.of(FrameType.goaway, 0).length === 2, "the second GOAWAY");
    const [first, second] = raw.of(FrameType.goaway, 0);
    assert.equal(readUint32(first?.payload ?? Buffer.alloc(8), 0), 0x7fff_ffff);
    assert.equal(readUint32(second?.payload ?? Buffer.alloc(8), 0), 1);
    assert.equal(readUint32(second?.payload ?? Buffer.alloc(8), 4), ErrorCode.noError);
    raw.write(unaryRequest(3, "/t.T/Hold", Buffer.from("x")));
    held[0]?.reply(Buffer.from("done"));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    await drained;
    await raw.until(() => raw.closed, "the end");
    assert.equal(held.length, 1);
  });

  it("ends what outlasts its grace, and tells the services", async () => {
    echo = await startEcho();
    const raw = await RawClient.open(echo.port);
    raw.write(frame(FrameType.headers, 4, 1, requestBlock("/t.T/Chat")));
    await raw.until(() => echo?.server.counters.streams === 1, "the stream");
    await echo.server.drain(50);
    assert.deepEqual(echo.events, ["end 1", "close"]);
    assert.equal(echo.server.counters.connections, 0);
    await raw.until(() => raw.closed, "the end");
  });
});
