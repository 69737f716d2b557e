/** Listeners that serve TLS and plaintext on one port: told apart by the first byte, however it arrives, or does not. */
import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, describe, it } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { CLIENT_PREFACE, FrameType } from "../../../src/grpc/frame.ts";
import { selfSigned } from "../../../src/x509/authority.ts";
import { until } from "../../conformance/support/tools.ts";
import { type EchoServer, startEcho } from "./support/echo-server.ts";
import {
  frame,
  RawClient,
  requestBlock,
  settings,
  unaryRequest,
  windowUpdate,
} from "./support/raw-client.ts";

const HOST = "127.0.0.1";
/** SETTINGS_INITIAL_WINDOW_SIZE. */
const INITIAL_WINDOW = 4;
const DEADLINE_MS = 300;
const { key, certificate: cert } = selfSigned({
  notBefore: new Date(Date.now() - 1e6),
  notAfter: new Date(Date.now() + 1e6),
  commonName: "both",
  names: [HOST, "localhost"],
  uses: ["authority", "server", "client"],
});

let echo: EchoServer | null = null;
let began: string[] = [];
let ended = 0;
afterEach(async () => {
  await echo?.server.close();
  assert.deepEqual(echo?.errors ?? [], []);
  assert.equal(ended, began.length, "each connection without TLS is told of at its end");
  echo = null;
  [began, ended] = [[], 0];
});

async function start(limits: Parameters<typeof startEcho>[0] = {}): Promise<EchoServer> {
  const onPlaintext = (remoteAddress: string) => {
    began.push(remoteAddress);
    return () => void ended++;
  };
  echo = await startEcho(limits, { key, cert, plaintextToo: true, onPlaintext });
  return echo;
}

/** Writes every byte alone, each in a turn of its own. */
class Trickle extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket.setNoDelay(true);
    socket.on("data", (chunk) => void this.push(chunk));
    socket.on("end", () => void this.push(null));
    socket.on("error", (error) => this.destroy(error));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    void trickle(this.#socket, chunk).then(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

async function trickle(socket: Socket, bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) {
    socket.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Connects, sends, and half-closes where `end`; all that came until the server closed, which it must. */
async function talk(port: number, bytes: string, end = false): Promise<string> {
  const socket = connectTcp({ port, host: HOST, allowHalfOpen: true });
  let out = "";
  socket.on("data", (chunk) => (out += chunk.toString("latin1")));
  socket.on("error", () => {});
  await once(socket, "connect");
  if (bytes !== "") socket.write(bytes, "latin1");
  if (end) socket.end();
  socket.on("end", () => socket.end());
  await once(socket, "close");
  return out;
}

async function getOver(socket: TLSSocket | Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.write("GET /here HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await once(socket, "end");
  return text;
}

/** A ClientHello, as a real client begins. */
async function clientHello(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const socket = connectTls({ socket: sink, servername: "localhost" });
  socket.on("error", () => {});
  await until("a ClientHello", 5_000, () => chunks.length > 0);
  socket.destroy();
  return Buffer.concat(chunks);
}

async function getHttp2(session: ClientHttp2Session): Promise<string> {
  const stream = session.request({ ":path": "/two" });
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(stream, "end");
  session.close();
  return text;
}

async function awaitNoConnection({ server }: EchoServer): Promise<void> {
  await until("the end of all", 5_000, () => server.counters.connections === 0);
}

describe("a listener of TLS that takes plaintext too", () => {
  it("takes TLS whose bytes come one by one, with a server name and without", async () => {
    const { port } = await start();
    for (const servername of ["localhost", ""]) {
      const raw = connectTcp(port, HOST);
      await once(raw, "connect");
      const options = { ca: cert, ...(servername === "" ? {} : { servername }), host: HOST };
      const socket = connectTls({ socket: new Trickle(raw), ...options });
      await once(socket, "secureConnect");
      assert.equal(socket.getPeerCertificate().subject.CN, "both");
      assert.match(await getOver(socket), /GET \/here 0$/);
    }
    assert.deepEqual(began, []);
  });

  it("takes HTTP/2 and HTTP/1.1 whose bytes come one by one, and tells from where each came", async () => {
    const { port } = await start();
    const raw = await RawClient.open(port, [], true);
    await trickle(raw.socket, Buffer.concat([Buffer.from(CLIENT_PREFACE), settings()]));
    await trickle(raw.socket, unaryRequest(1, "/t.T/Echo", Buffer.from("slow")));
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    const socket = connectTcp(port, HOST);
    await once(socket, "connect");
    const { localPort } = socket;
    await trickle(socket, Buffer.from("GET /a HTTP/1.1\r\nhost: x\r\n\r\n"));
    assert.match(await getOver(socket), /GET \/a 0[^]*GET \/here 0$/);
    assert.deepEqual(began, [`${HOST}:${raw.socket.localPort}`, `${HOST}:${localPort}`]);
    raw.close();
  });

  it("loses nothing of a burst that arrives before it knows what it is", async () => {
    const { port } = await start();
    const big = Buffer.alloc(1_500_000, 7);
    const raw = await RawClient.open(port, [], true);
    const parts = Array.from({ length: Math.ceil(big.length / 16_000) }, (_, at) =>
      big.subarray(at * 16_000, (at + 1) * 16_000),
    );
    const request = frame(FrameType.headers, 4, 1, requestBlock("/t.T/Echo"));
    const prefix = Buffer.from([0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(big.length, 1);
    raw.write(
      Buffer.from(CLIENT_PREFACE),
      settings([[INITIAL_WINDOW, 2 * big.length]]),
      windowUpdate(0, 2 * big.length),
      request,
      frame(FrameType.data, 0, 1, prefix),
      ...parts.map((part, at) => frame(FrameType.data, at === parts.length - 1 ? 1 : 0, 1, part)),
    );
    assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
    assert.ok(raw.body(1).subarray(prefix.length).equals(big));
    raw.close();
  });

  it("reads HTTP/2 without TLS in place, as a listener without TLS does", async () => {
    const accepted: Socket[] = [];
    const onSocket = (message: unknown): void => {
      accepted.push((message as { socket: Socket }).socket);
    };
    channel("net.server.socket").subscribe(onSocket);
    try {
      const { port } = await start();
      const raw = await RawClient.open(port);
      raw.write(unaryRequest(1, "/t.T/Echo", Buffer.from("x")));
      assert.equal((await raw.trailers(1)).get("grpc-status"), "0");
      assert.equal(accepted.length, 1);
      // Another socket has taken its handle over.
      assert.equal(Reflect.get(accepted[0] ?? {}, "_handle"), null);
      assert.equal(raw.closed, false);
      raw.close();
    } finally {
      channel("net.server.socket").unsubscribe(onSocket);
    }
  });

  it("ends who sends nothing, a first byte alone, or half a preface, within the time of a handshake", async () => {
    const it = await start({ handshakeTimeoutMs: DEADLINE_MS });
    const parts = ["", "P", "PRI * HTTP/2.0\r\n", "GE", "\x16", "\x16\x03\x01"];
    const tookMs = parts.map(async (bytes) => {
      const beganMs = performance.now();
      assert.equal(await talk(it.port, bytes), "", JSON.stringify(bytes));
      return performance.now() - beganMs;
    });
    for (const ms of await Promise.all(tookMs)) assert.ok(ms >= DEADLINE_MS - 5, `${ms} ms`);
    await awaitNoConnection(it);
  });

  it("gives who trickles a preface no more time than who sends nothing", async () => {
    const it = await start({ handshakeTimeoutMs: DEADLINE_MS });
    const socket = connectTcp(it.port, HOST);
    await once(socket, "connect");
    socket.on("error", () => {}).resume();
    const connectedMs = performance.now();
    let closedMs = 0;
    socket.on("close", () => (closedMs = performance.now()));
    // The first byte comes late: it begins no second time.
    const late = setTimeout(() => socket.write("P"), DEADLINE_MS * 0.8);
    await once(socket, "close");
    clearTimeout(late);
    assert.ok(closedMs - connectedMs < DEADLINE_MS * 1.7, `${closedMs - connectedMs} ms`);
    await awaitNoConnection(it);
  });

  it("closes garbage at once, whatever byte it begins with", async () => {
    const it = await start();
    const first = [0x00, 0x0a, 0x14, 0x15, 0x17, 0x20, 0x7f, 0x80, 0xff];
    for (const byte of first) {
      assert.equal(await talk(it.port, `${String.fromCodePoint(byte)} and ${"x".repeat(60)}`), "");
    }
    // What claims to be TLS is answered in the words of TLS: an alert, or nothing.
    const [alert = 0x15] = Buffer.from(
      await talk(it.port, `\x16${"garbage".repeat(20)}`),
      "latin1",
    );
    assert.equal(alert, 0x15);
    await awaitNoConnection(it);
    assert.equal(began.length, first.length);
  });

  it("ends who closes its half, before or in the midst of what it began", async () => {
    const it = await start();
    const hello = (await clientHello()).toString("latin1");
    const cut = ["", "\x16", hello.slice(0, 40), hello, "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for (const bytes of cut) await talk(it.port, bytes, true);
    // More hellos than begin in one turn: the end of some is there before their turn is.
    await Promise.all(Array.from({ length: 40 }, () => talk(it.port, hello, true)));
    await awaitNoConnection(it);
  });

  it("serves hundreds that come at once, each as it speaks", async () => {
    const it = await start();
    const { port } = it;
    const kinds: readonly (() => Promise<string>)[] = [
      () => getHttp2(connectHttp2(`https://${HOST}:${port}`, { ca: cert })),
      () => getHttp2(connectHttp2(`http://${HOST}:${port}`)),
      async () => {
        const socket = connectTls({ port, host: HOST, ca: cert, servername: "localhost" });
        await once(socket, "secureConnect");
        return await getOver(socket);
      },
      async () => {
        const socket = connectTcp(port, HOST);
        await once(socket, "connect");
        return await getOver(socket);
      },
    ];
    const wave = (): Promise<string[]> =>
      Promise.all(Array.from({ length: 200 }, (_, at) => (kinds[at % kinds.length] ?? talkNone)()));
    for (const text of await wave()) assert.match(text, /GET \/(?:two|here) 0$/);
    await awaitNoConnection(it);
    assert.equal(began.length, 100);
    assert.equal(new Set(began).size, 100);
  });

  it("counts who is still silent against the most connections that there may be", async () => {
    const it = await start({ connectionsMax: 2 });
    const silent = [connectTcp(it.port, HOST), connectTcp(it.port, HOST)];
    await until("both", 5_000, () => it.server.counters.connections === 2);
    assert.equal(await talk(it.port, "GET / HTTP/1.1\r\n\r\n"), "");
    assert.equal(it.server.counters.connectionsRefused, 1);
    for (const socket of silent) socket.destroy();
    await awaitNoConnection(it);
  });

  it("closes while some are silent and some are half-way", async () => {
    const it = await start();
    const ends = ["", "P", "\x16"].map((bytes) => talk(it.port, bytes));
    await until("all three", 5_000, () => it.server.counters.connections === 3);
    await it.server.close();
    assert.deepEqual(await Promise.all(ends), ["", "", ""]);
  });
});

function talkNone(): Promise<string> {
  return Promise.resolve("");
}
