/** A client of hand-made frames: says what the test says, right or wrong, and hands back what the server said. */
import { connect, type Socket } from "node:net";
import {
  CLIENT_PREFACE,
  FrameType,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "../../../../src/grpc/frame.ts";
import { encodeFields, HpackDecoder } from "../../../../src/grpc/hpack.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const out = Buffer.alloc(9 + payload.length);
  writeFrameHeader(out, 0, payload.length, type, flags, streamId);
  out.set(payload, 9);
  return out;
}

export function settings(pairs: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [id, value]] of pairs.entries()) {
    payload[at * 6 + 1] = id;
    writeUint32(payload, at * 6 + 2, value);
  }
  return frame(FrameType.settings, 0, 0, payload);
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  writeUint32(out, 0, value);
  return out;
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, streamId, uint32(increment));
}

/** A gRPC message with its prefix. */
export function message(body: Uint8Array, compressed = 0): Buffer {
  return Buffer.concat([Buffer.from([compressed]), uint32(body.length), body]);
}

export function requestBlock(
  path: string,
  more: readonly (readonly [string, string])[] = [],
): Buffer {
  return encodeFields([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...more,
  ]);
}

/** HEADERS (END_HEADERS) and one DATA frame that ends the stream. */
export function unaryRequest(
  streamId: number,
  path: string,
  body: Uint8Array,
  more: readonly (readonly [string, string])[] = [],
): Buffer {
  return Buffer.concat([
    frame(FrameType.headers, 4, streamId, requestBlock(path, more)),
    frame(FrameType.data, 1, streamId, message(body)),
  ]);
}

export class RawClient {
  readonly frames: RawFrame[] = [];
  readonly socket: Socket;
  closed = false;
  readonly #decoder = new HpackDecoder(1 << 20);
  #buffer: Buffer = Buffer.alloc(0);
  #waiters: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Connects; with the preface and SETTINGS sent unless `silent`. */
  static async open(
    port: number,
    pairs: readonly (readonly [number, number])[] = [],
    silent = false,
  ): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    socket.setNoDelay(true);
    const client = new RawClient(socket);
    if (!silent) client.write(Buffer.from(CLIENT_PREFACE), settings(pairs));
    return client;
  }

  write(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Resolves once `condition` holds, after each chunk; rejects after three seconds. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + 3_000;
    while (!condition()) {
      if (Date.now() > deadline)
        throw new Error(
          `the server never sent: ${what}; ${JSON.stringify(this.frames.map((f) => [f.type, f.flags, f.streamId, f.payload.length]))}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  of(type: number, streamId: number): RawFrame[] {
    return this.frames.filter((one) => one.type === type && one.streamId === streamId);
  }

  async next(type: number, streamId: number): Promise<RawFrame> {
    await this.until(() => this.of(type, streamId).length > 0, `frame ${type} on ${streamId}`);
    return this.of(type, streamId)[0] as RawFrame;
  }

  /** The error code of the GOAWAY that ends the connection, which must then close. */
  async goaway(): Promise<number> {
    const goaway = await this.next(FrameType.goaway, 0);
    await this.until(() => this.closed, "the end of the connection");
    return readUint32(goaway.payload, 4);
  }

  async resetCode(streamId: number): Promise<number> {
    return readUint32((await this.next(FrameType.rstStream, streamId)).payload, 0);
  }

  /** All header fields that the stream has got, once it has ended. */
  async trailers(streamId: number): Promise<Map<string, string>> {
    const ended = (): boolean =>
      this.frames.some(
        (one) =>
          one.streamId === streamId &&
          (one.type === FrameType.headers || one.type === FrameType.data) &&
          (one.flags & 1) !== 0,
      );
    await this.until(ended, `END_STREAM on ${streamId}`);
    const out = new Map<string, string>();
    for (const headers of this.of(FrameType.headers, streamId)) {
      this.#decoder.decode(headers.payload, 0, headers.payload.length);
      for (let at = 0; at < this.#decoder.count; at++) {
        out.set(this.#decoder.names[at] ?? "", this.#decoder.values[at] ?? "");
      }
    }
    return out;
  }

  /** DATA of the stream so far. */
  body(streamId: number): Buffer {
    return Buffer.concat(this.of(FrameType.data, streamId).map((one) => one.payload));
  }

  close(): void {
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < 9 + length) break;
      this.frames.push({
        type: this.#buffer[3] ?? 0,
        flags: this.#buffer[4] ?? 0,
        streamId: readUint32(this.#buffer, 5),
        payload: this.#buffer.subarray(9, 9 + length),
      });
      this.#buffer = this.#buffer.subarray(9 + length);
    }
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
