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

/** The verified certificate of the client, null without one. */
export function certificateOf(socket: Socket): PeerCertificate | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const certificate = socket.getPeerCertificate();
  return Object.keys(certificate).length === 0 ? null : certificate;
}
