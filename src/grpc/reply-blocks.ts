/** Header blocks of replies, prepared once: they touch no compression table. */
import { FRAME_HEADER_BYTES, Flag, FrameType, writeFrameHeader } from "./frame.ts";
import { encodeFields } from "./hpack.ts";
import { Status } from "./service.ts";
import { encodeStatusText } from "./status-text.ts";

const CONTENT_TYPE = ["content-type", "application/grpc"] as const;

/** The beginning of a gRPC reply. */
export const HEADERS_BLOCK: Buffer = encodeFields([[":status", "200"], CONTENT_TYPE]);
/** The end of a good one. */
export const TRAILERS_OK_BLOCK: Buffer = encodeFields([["grpc-status", "0"]]);
/** Whole frames with stream id 0, to be copied and stamped. */
export const HEADERS_FRAME: Buffer = toFrame(HEADERS_BLOCK, Flag.endHeaders);
export const TRAILERS_OK_FRAME: Buffer = toFrame(
  TRAILERS_OK_BLOCK,
  Flag.endHeaders | Flag.endStream,
);

function toFrame(block: Buffer, flags: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + block.length);
  writeFrameHeader(frame, 0, block.length, FrameType.headers, flags, 0);
  block.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * The block that ends a call: alone (`trailersOnly`) or after a reply's HEADERS. A text is cut where it would not fit a
 * frame.
 */
export function statusBlock(status: Status, text: string, trailersOnly: boolean): Buffer {
  if (status === Status.ok && text === "" && !trailersOnly) return TRAILERS_OK_BLOCK;
  const fields: (readonly [string, string])[] = trailersOnly
    ? [[":status", "200"], CONTENT_TYPE]
    : [];
  fields.push(["grpc-status", String(status)]);
  if (text !== "") fields.push(["grpc-message", encodeStatusText(text.slice(0, STATUS_TEXT_MAX))]);
  if (status === Status.unimplemented) fields.push(["grpc-accept-encoding", "identity,gzip"]);
  return encodeFields(fields);
}

/** Characters; each may become nine, and the block must fit one frame of the smallest legal maximum. */
const STATUS_TEXT_MAX = 1_024;
