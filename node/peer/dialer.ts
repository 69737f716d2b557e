/** Connections to other members: plaintext or TLS, as their URL says. */
import { ChannelCredentials, Client, credentials } from "@grpc/grpc-js";
import { connect } from "node:tls";
import type { Credentials } from "../tls/credentials.ts";

/** A client for the first of a member's peer URLs. */
export type PeerDialer = (peerUrls: readonly string[]) => Client;

export const RETRY_FIRST_MS = 50;
export const RETRY_MAX_MS = 1_000;
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

export function peerDialer(tls: Credentials): PeerDialer {
  return (peerUrls) => {
    const url = new URL(peerUrls[0] ?? "");
    const secure = url.protocol === "https:";
    // A port that is the scheme's own is none to a URL.
    const target = url.port === "" ? `${url.host}:${secure ? 443 : 80}` : url.host;
    const terms = secure ? new PeerChannel(tls, url.hostname) : credentials.createInsecure();
    return new Client(target, terms, PEER_CHANNEL_OPTIONS);
  };
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type CallCredentials = ReturnType<Connector["getCallCredentials"]>;

/**
 * What grpc-js asks for each connection that it opens. Its own credentials are made of one certificate for as long as they
 * live; these ask anew each time, so that a link that reconnects shows and trusts what the files say by then.
 */
class PeerChannel extends ChannelCredentials {
  readonly #tls: Credentials;
  readonly #host: string;

  constructor(tls: Credentials, host: string) {
    super();
    this.#tls = tls;
    this.#host = host;
  }

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
      connect: (socket) =>
        new Promise((resolve, reject) => {
          const options = {
            ...this.#tls.connectOptions(this.#host),
            socket,
            ALPNProtocols: ["h2"],
          };
          const secure = connect(options, () => {
            clearTimeout(timer);
            resolve({ socket: secure, secure: true });
          });
          const timer = setTimeout(
            () => secure.destroy(new Error("the handshake took too long")),
            HANDSHAKE_MS_MAX,
          );
          secure.on("error", reject);
          secure.once("close", () => {
            clearTimeout(timer);
            reject(new Error("the connection was closed during its handshake"));
          });
        }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? credentials.createEmpty(),
      destroy: () => {},
    };
  }
}
