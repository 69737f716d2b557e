import {
  ConnectionError,
  ErrorCode,
  FRAME_PAYLOAD_BYTES_MAX,
  Setting,
  WINDOW_MAX,
  readUint32,
} from "./frame.ts";

/** What the client's SETTINGS say, as far as a server that neither pushes nor compresses headers must know. */
export class PeerSettings {
  initialWindowBytes = 65_535;
  frameBytesMax: number = FRAME_PAYLOAD_BYTES_MAX;

  /** Takes a SETTINGS payload. Answers the change of the initial window, which open streams follow. */
  apply(bytes: Uint8Array, from: number, end: number): number {
    const before = this.initialWindowBytes;
    if ((end - from) % 6 !== 0)
      throw new ConnectionError(ErrorCode.frameSizeError, "a broken SETTINGS");
    for (let at = from; at < end; at += 6) {
      const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      this.#set(id, readUint32(bytes, at + 2));
    }
    return this.initialWindowBytes - before;
  }

  #set(id: number, value: number): void {
    if (id === Setting.initialWindowSize) {
      if (value > WINDOW_MAX)
        throw new ConnectionError(ErrorCode.flowControlError, "a window over 2^31-1");
      this.initialWindowBytes = value;
    } else if (id === Setting.maxFrameSize) {
      if (value < 16_384 || value > 16_777_215) {
        throw new ConnectionError(ErrorCode.protocolError, "SETTINGS_MAX_FRAME_SIZE out of range");
      }
      // Larger frames would gain nothing and not fit a segment.
      this.frameBytesMax = Math.min(value, FRAME_PAYLOAD_BYTES_MAX);
    } else if (id === Setting.enablePush && value > 1) {
      throw new ConnectionError(ErrorCode.protocolError, "SETTINGS_ENABLE_PUSH out of range");
    }
  }
}
