/**
 * Reading a TCP socket into one buffer that all connections share. node:net makes a buffer of 64 KiB for every read of any other
 * socket: its memory is native, is freed only by the collector, and leaves holes, or costs page faults. A socket made over the
 * same handle may name its buffer (`onread`), which one that a server accepted offers no option for, nor one that must be able to
 * become TLS.
 */
import { Socket, type Server, type SocketConstructorOpts } from "node:net";
import { TLSSocket } from "node:tls";

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
  if (socket instanceof TLSSocket) return null;
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
