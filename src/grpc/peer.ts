import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";

/** `host:port` of the other end as Go prints it: IPv6 in brackets. */
export function addressOf(socket: Socket): string {
  const address = socket.remoteAddress ?? "";
  return `${address.includes(":") ? `[${address}]` : address}:${socket.remotePort ?? 0}`;
}

export function isSecure(socket: Socket): boolean {
  return socket instanceof TLSSocket;
}

const certificates = new WeakMap<Socket, PeerCertificate>();

/**
 * The verified certificate of the client, null without one. Decoded once a connection. A subject with several common names
 * has its last, as in Go.
 */
export function certificateOf(socket: Socket): PeerCertificate | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const known = certificates.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerCertificate();
  if (Object.keys(certificate).length === 0) return null;
  const { subject } = certificate;
  const names: unknown = subject.CN;
  if (Array.isArray(names)) subject.CN = String(names.at(-1));
  certificates.set(socket, certificate);
  return certificate;
}
