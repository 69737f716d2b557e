/**
 * A WebSocket (RFC 6455) as request and reply of the gateway: each message of the client's is a piece of the body, each line of
 * the reply a text message. As grpc-websocket-proxy has it, which serves etcd's.
 */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { HTTP_STATUS_CODES } from "../../src/grpc/node-http.ts";
import type { HttpHead, HttpReceiver, HttpResponse, HttpStream } from "../../src/grpc/service.ts";
import { CloseCode, encodeClose, encodeFrame, FrameReader, Opcode } from "./websocket-frames.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** A client that does not close its half has so long. */
const CLOSE_MS = 1_000;
/** Pings are not answered beyond it: only a client that reads is answered. */
const PONG_QUEUE_BYTES_MAX = 64 * 1024;
const NEWLINE = Buffer.from("\n");

export interface WebSocketOptions {
  readonly messageBytesMax: number;
  /** Serves the request that the messages make. */
  readonly open: (head: HttpHead, stream: HttpStream) => HttpReceiver;
}

/** Takes the connection over, or refuses with a status of HTTP. */
export function acceptWebSocket(
  head: HttpHead,
  socket: Duplex,
  first: Buffer,
  options: WebSocketOptions,
): void {
  const key = head.headers.get("sec-websocket-key") ?? "";
  const refusal = refusalOf(head, key);
  if (refusal !== null) {
    const headers = { "content-type": "text/plain; charset=utf-8", "sec-websocket-version": "13" };
    refuseUpgrade(socket, { status: 400, headers, body: refusal });
    return;
  }
  const accept = createHash("sha1")
    .update(key + GUID)
    .digest("base64");
  const protocol = head.headers.get("sec-websocket-protocol") ?? "";
  // A client that offers its token as a protocol must see one chosen.
  const chosen = protocol.startsWith("Bearer") ? "Sec-WebSocket-Protocol: Bearer\r\n" : "";
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`,
  );
  new WebSocketStream(socket, options.messageBytesMax).start(toRequest(head), first, options.open);
}

/** Answers a request for a WebSocket as one of HTTP, and closes. */
export function refuseUpgrade(socket: Duplex, response: HttpResponse): void {
  const body = Buffer.from(response.body);
  const fields = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = HTTP_STATUS_CODES[response.status] ?? "";
  socket.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${response.status} ${reason}\r\n${fields.join("")}` +
          `connection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]),
  );
}

function refusalOf(head: HttpHead, key: string): string | null {
  if (head.method !== "GET") return "Bad Request: a WebSocket begins with GET\n";
  if (head.headers.get("sec-websocket-version") !== "13") {
    return "Bad Request: unsupported version of WebSocket, it must be 13\n";
  }
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) return "Bad Request: Sec-WebSocket-Key is not a key\n";
  return null;
}

/** The POST that the messages are the body of. The token comes as a protocol or a cookie: browsers send no other header. */
function toRequest(head: HttpHead): HttpHead {
  const headers = new Map(head.headers);
  const [, token] = (headers.get("sec-websocket-protocol") ?? "").split(/Bearer,(.*)/s);
  if (token !== undefined) headers.set("authorization", `Bearer ${token.trim()}`);
  const cookie = /(?:^|;\s*)token=([^;]*)/.exec(headers.get("cookie") ?? "")?.[1];
  if (cookie !== undefined) headers.set("authorization", `Bearer ${cookie}`);
  return { ...head, method: "POST", headers };
}

class WebSocketStream implements HttpStream {
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  #receiver: HttpReceiver | null = null;
  #queued = 0;
  #drainedAt = 0;
  #onDrained: (() => void) | null = null;
  /** A message was begun, and its last fragment has not been sent. */
  #inMessage = false;
  #closing = false;

  constructor(socket: Duplex, messageBytesMax: number) {
    this.#socket = socket;
    this.#reader = new FrameReader(messageBytesMax, {
      onMessage: (payload) => {
        this.#receiver?.onData(payload);
        this.#receiver?.onData(NEWLINE);
      },
      onPing: (payload) => {
        if (!this.#closing && socket.writableLength <= PONG_QUEUE_BYTES_MAX) {
          socket.write(encodeFrame(Opcode.pong, payload, true));
        }
      },
      onClose: (code) => this.#close(code),
      onFault: (code) => this.#close(code),
    });
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  start(head: HttpHead, first: Buffer, open: WebSocketOptions["open"]): void {
    this.#socket.on("data", (chunk: Buffer) => this.#reader.push(chunk));
    this.#socket.on("end", () => this.#socket.end());
    this.#socket.on("close", () => {
      this.#closing = true;
      this.#lose();
    });
    const receiver = open(head, this);
    // Refused at once: nothing will be heard.
    if (this.#closing) queueMicrotask(() => receiver.onClose());
    else this.#receiver = receiver;
    if (first.length > 0) this.#reader.push(first);
  }

  respond(response: HttpResponse): void {
    if (this.#closing) return;
    const body = Buffer.from(response.body);
    if (body.length > 0) this.write(body);
    this.end();
  }

  writeHead(): void {
    // A WebSocket has none.
  }

  write(bytes: Uint8Array): void {
    if (this.#closing || bytes.length === 0) return;
    const final = bytes.at(-1) === NEWLINE[0];
    this.#send(final ? bytes.subarray(0, -1) : bytes, final);
  }

  onDrained(below: number, callback: () => void): void {
    if (this.#closing) return;
    this.#drainedAt = below / 2;
    if (this.#queued <= this.#drainedAt) callback();
    else this.#onDrained = callback;
  }

  end(): void {
    if (this.#closing) return;
    if (this.#inMessage) this.#send(new Uint8Array(0), true);
    this.#close(CloseCode.normal);
  }

  #send(payload: Uint8Array, final: boolean): void {
    const opcode = this.#inMessage ? Opcode.continuation : Opcode.text;
    this.#inMessage = !final;
    const frame = encodeFrame(opcode, payload, final);
    this.#queued += frame.length;
    this.#socket.write(frame, () => this.#wrote(frame.length));
  }

  #wrote(count: number): void {
    this.#queued -= count;
    const callback = this.#onDrained;
    if (callback === null || this.#closing || this.#queued > this.#drainedAt) return;
    this.#onDrained = null;
    callback();
  }

  #close(code: number | null): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.end(encodeClose(code));
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS);
    this.#socket.on("close", () => clearTimeout(timer));
    this.#lose();
  }

  #lose(): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    this.#onDrained = null;
    if (receiver !== null) queueMicrotask(() => receiver.onClose());
  }
}
