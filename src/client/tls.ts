/** Certificates, from memory or from files, as grpc-js wants them. */
import { readFileSync } from "node:fs";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { ClientError } from "./error.ts";

/** PEM text, its bytes, or the file that holds it. */
export type Pem = string | Uint8Array | { readonly file: string };

export interface TlsOptions {
  /** Who signed the members' certificates; the system's authorities unless given. */
  readonly ca?: Pem | undefined;
  /** Our certificate and its key, where members ask for one: both or none. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  /** The name that the members' certificates must hold, where it is not the endpoint's. */
  readonly serverName?: string | undefined;
  /** Believes whatever certificate comes. For tests alone. */
  readonly insecureSkipVerify?: boolean | undefined;
}

/** Reads the files now. Throws a "configuration" error that names the file, or what is missing. */
export function readCredentials(tls: TlsOptions): ChannelCredentials {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new ClientError(
      "configuration",
      "tls: cert and key belong together: give both or neither",
    );
  }
  const options = {
    rejectUnauthorized: tls.insecureSkipVerify !== true,
    ...(tls.insecureSkipVerify === true ? { checkServerIdentity: () => undefined } : {}),
  };
  const [ca, key, cert] = [read(tls.ca), read(tls.key), read(tls.cert)];
  try {
    return credentials.createSsl(ca, key, cert, options);
  } catch (thrown) {
    const sources = [tls.ca, tls.cert, tls.key].flatMap((pem) =>
      typeof pem === "object" && "file" in pem ? [pem.file] : [],
    );
    const where = sources.length === 0 ? "" : ` in ${sources.join(", ")}`;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ClientError("configuration", `tls: not usable${where}: ${why}`, { cause: thrown });
  }
}

function read(pem: Pem | undefined): Buffer | null {
  if (pem === undefined) return null;
  if (typeof pem === "string") return Buffer.from(pem);
  if (pem instanceof Uint8Array) return Buffer.from(pem);
  try {
    return readFileSync(pem.file);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ClientError("configuration", `tls: ${pem.file} cannot be read: ${why}`, {
      cause: thrown,
    });
  }
}
