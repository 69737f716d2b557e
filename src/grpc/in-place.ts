/**
 * Reading a TCP socket into one buffer that all connections share. node:net makes a buffer for every read of a socket that a
 * server accepted: its memory is native, is freed only by the collector, and leaves holes. A socket made over the same
 * handle may name its buffer (`onread`), which the server's own offers no option for.
 */
import { Socket, type Server, type SocketConstructorOpts } from "node:net";

/** As much as the kernel is asked for at once. */
const READ_BYTES = 64 * 1024;
const shared: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** What node:net keeps of an accepted socket, below its public face. */
interface Accepted {
  _handle: object | null;
  /** Counts its connections down as they close. */
  _server: Server | null;
}

/**
 * A socket in the place of `socket`, which is dead afterwards, with its listeners gone. `onBytes` is given what arrives,
 * borrowed until it returns; no "data" is emitted. Null where there is no handle to take: it was closed, or is none of TCP.
 */
export function readInPlace(socket: Socket, onBytes: (chunk: Buffer) => void): Socket | null {
  const old = socket as unknown as Accepted;
  const handle = old._handle;
  if (handle === null || typeof handle !== "object" || !("useUserBuffer" in handle)) return null;
  socket.pause();
  socket.removeAllListeners();
  old._handle = null;
  const options = {
    handle,
    onread: {
      buffer: shared,
      callback: (size: number, buffer: Uint8Array): boolean => {
        onBytes((buffer as Buffer).subarray(0, size));
        return true;
      },
    },
  };
  const own = new Socket(options as unknown as SocketConstructorOpts);
  (own as unknown as Accepted)._server = old._server;
  old._server = null;
  return own;
}
