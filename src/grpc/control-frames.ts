/** The small frames that a server sends, written into a connection's output. */
import { CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "./limits.ts";
import {
  type ErrorCode,
  FRAME_HEADER_BYTES,
  Flag,
  FrameType,
  Setting,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import type { OutputBuffer } from "./output.ts";
import type { Limits } from "./service.ts";

const DEFAULT_WINDOW_BYTES = 65_535;
const UNLIMITED = 0xffff_ffff;

/** Our SETTINGS, and the connection's window raised to what we want. */
export function writeGreeting(output: OutputBuffer, limits: Limits): void {
  const settings: (readonly [number, number])[] = [
    [Setting.initialWindowSize, STREAM_WINDOW_BYTES],
    [Setting.maxHeaderListSize, limits.headerListBytesMax],
  ];
  // No limit is the protocol's default; etcd says nothing then, too.
  if (limits.concurrentStreamsMax < UNLIMITED) {
    settings.push([Setting.maxConcurrentStreams, limits.concurrentStreamsMax]);
  }
  const length = settings.length * 6;
  let at = output.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(output.bytes, at, length, FrameType.settings, 0, 0);
  at += FRAME_HEADER_BYTES;
  for (const [id, value] of settings) {
    output.bytes[at] = 0;
    output.bytes[at + 1] = id;
    writeUint32(output.bytes, at + 2, value);
    at += 6;
  }
  writeWindowUpdate(output, 0, CONNECTION_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
}

export function writeSettingsAck(output: OutputBuffer): void {
  const at = output.reserve(FRAME_HEADER_BYTES);
  writeFrameHeader(output.bytes, at, 0, FrameType.settings, Flag.ack, 0);
}

export function writeWindowUpdate(output: OutputBuffer, streamId: number, increment: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(output.bytes, at, 4, FrameType.windowUpdate, 0, streamId);
  writeUint32(output.bytes, at + FRAME_HEADER_BYTES, increment);
}

export function writeReset(output: OutputBuffer, streamId: number, code: ErrorCode): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(output.bytes, at, 4, FrameType.rstStream, 0, streamId);
  writeUint32(output.bytes, at + FRAME_HEADER_BYTES, code);
}

/** `payload[from, from + 8)` is echoed in an answer; our own PING (ack false) carries the same eight bytes of any kind. */
export function writePing(
  output: OutputBuffer,
  ack: boolean,
  payload: Uint8Array,
  from: number,
): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 8);
  writeFrameHeader(output.bytes, at, 8, FrameType.ping, ack ? Flag.ack : 0, 0);
  output.bytes.set(payload.subarray(from, from + 8), at + FRAME_HEADER_BYTES);
}

/** `text` is for the client's log; ASCII. */
export function writeGoaway(
  output: OutputBuffer,
  lastStreamId: number,
  code: ErrorCode,
  text: string,
): void {
  const length = 8 + text.length;
  const at = output.reserve(FRAME_HEADER_BYTES + length);
  writeFrameHeader(output.bytes, at, length, FrameType.goaway, 0, 0);
  writeUint32(output.bytes, at + 9, lastStreamId);
  writeUint32(output.bytes, at + 13, code);
  output.bytes.write(text, at + 17, "latin1");
}
