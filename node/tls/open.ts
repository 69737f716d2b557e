/** TLS of a member, both sides. */
import type { Logger } from "../../src/base/ports.ts";
import type { Config } from "../config.ts";
import { DataDir } from "../data-dir.ts";
import { Credentials } from "./credentials.ts";
import { withOwnCertificate } from "./self-signed.ts";
import type { TlsSettings } from "./settings.ts";

export interface MemberTls {
  readonly client: Credentials;
  readonly peer: Credentials;
  close(): void;
}

/** Reads, or with --auto-tls makes, what the flags name. Rejects with "configuration", naming the file and the reason. */
export async function openTls(config: Config, logger: Logger): Promise<MemberTls> {
  const open = async (settings: TlsSettings): Promise<Credentials> =>
    await Credentials.open(
      withOwnCertificate(settings, config.dataDir, logger, new Date()),
      logger,
    );
  if (config.clientTls.selfSigned !== null || config.peerTls.selfSigned !== null) {
    // Nothing is written to a directory that is not ours.
    const dataDir = new DataDir(config.dataDir, config.walDir);
    if (!dataDir.isInhabited) dataDir.checkForeign();
    dataDir.prepare(logger);
  }
  const client = await open(config.clientTls);
  const peer = await open(config.peerTls);
  return {
    client,
    peer,
    close: () => {
      client.close();
      peer.close();
    },
  };
}
