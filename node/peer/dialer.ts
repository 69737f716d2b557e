/** Connections to other members: plaintext or TLS, as their URL says. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect } from "node:tls";
import type { ChannelCredentials, Client } from "@grpc/grpc-js";
import type { Credentials } from "../tls/credentials.ts";
import { grpcJs } from "./grpc-js.ts";

/** A client for the first of a member's peer URLs. */
export type PeerDialer = (peerUrls: readonly string[]) => Client;

/**
 * A connection to the first of a member's peer URLs, its handshake done, for HTTP/2. Rejects with the reason; gives up after
 * ten seconds.
 */
export type PeerConnector = (peerUrls: readonly string[]) => Promise<Socket>;

export const RETRY_FIRST_MS = 50;
export const RETRY_MAX_MS = 1_000;
/** Packets to where a member was before it moved vanish; its name leads elsewhere by now. */
const CONNECT_MS_MAX = 2_000;
/** As long as listeners give their clients. */
const HANDSHAKE_MS_MAX = 10_000;

const PEER_CHANNEL_OPTIONS: Readonly<Record<string, number>> = {
  "grpc.initial_reconnect_backoff_ms": RETRY_FIRST_MS,
  "grpc.min_reconnect_backoff_ms": RETRY_FIRST_MS,
  "grpc.max_reconnect_backoff_ms": RETRY_MAX_MS,
  // A member that was moved has another address under the same name; grpc-js would look it up every 30 seconds.
  "grpc.dns_min_time_between_resolutions_ms": RETRY_MAX_MS,
  "grpc.keepalive_time_ms": 2_000,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
};

/** At least one, each a URL with a host and a port, as etcd asks. */
export function arePeerUrls(urls: readonly string[]): boolean {
  return (
    urls.length > 0 &&
    urls.every((url) => URL.canParse(url) && /^https?:\/\/[^/]+:\d+\/?$/.test(url))
  );
}

/** Where a peer URL leads. A port that is the scheme's own is none to a URL. */
function placeOf(peerUrls: readonly string[]): { url: URL; secure: boolean; port: number } {
  const url = new URL(peerUrls[0] ?? "");
  const secure = url.protocol === "https:";
  return { url, secure, port: url.port === "" ? (secure ? 443 : 80) : Number(url.port) };
}

export function peerDialer(tls: Credentials): PeerDialer {
  return (peerUrls) => {
    const { url, secure, port } = placeOf(peerUrls);
    const grpc = grpcJs();
    const terms = secure ? peerChannel(tls, url.hostname) : grpc.credentials.createInsecure();
    return new grpc.Client(`${url.hostname}:${port}`, terms, PEER_CHANNEL_OPTIONS);
  };
}

export function peerConnector(tls: Credentials): PeerConnector {
  return async (peerUrls) => {
    const { url, secure, port } = placeOf(peerUrls);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const socket = connectTcp({ host, port, noDelay: true });
    await settled(socket, "connect", "the connection took too long", CONNECT_MS_MAX);
    return secure ? await shakeHands(tls, url.hostname, socket) : socket;
  };
}

/** The TLS side of a connection: once its handshake is done and the other end is who it should be. */
async function shakeHands(tls: Credentials, host: string, socket: Socket): Promise<Socket> {
  const secure = connect({ ...tls.connectOptions(host), socket, ALPNProtocols: ["h2"] });
  await settled(secure, "secureConnect", "the handshake took too long", HANDSHAKE_MS_MAX);
  return secure;
}

/** Resolves with the event; rejects, and destroys the socket, on its fault or when it takes too long. */
function settled(socket: Socket, event: string, late: string, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(late)), ms);
    socket.once(event, () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on("error", reject);
    socket.once("close", () => {
      clearTimeout(timer);
      reject(new Error("the connection was closed during its handshake"));
    });
  });
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type CallCredentials = ReturnType<Connector["getCallCredentials"]>;

/**
 * What grpc-js asks for each connection that it opens. Its own credentials are made of one certificate for as long as they
 * live; these ask anew each time, so that a link that reconnects shows and trusts what the files say by then.
 */
function peerChannel(tls: Credentials, host: string): ChannelCredentials {
  const { ChannelCredentials: Terms, credentials } = grpcJs();
  class PeerChannel extends Terms {
    override compose(): ChannelCredentials {
      return this;
    }

    override _isSecure(): boolean {
      return true;
    }

    override _equals(other: ChannelCredentials): boolean {
      return other === this;
    }

    override _createSecureConnector(
      _target: unknown,
      _options: unknown,
      callCredentials?: CallCredentials,
    ): Connector {
      return {
        connect: async (socket) => ({ socket: await shakeHands(tls, host, socket), secure: true }),
        waitForReady: () => Promise.resolve(),
        getCallCredentials: () => callCredentials ?? credentials.createEmpty(),
        destroy: () => {},
      };
    }
  }
  return new PeerChannel();
}
