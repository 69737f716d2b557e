/** From the URLs of a flag to listeners. */
import { rmSync, statSync } from "node:fs";
import { QuorateError } from "../src/base/errors.ts";
import type { GrpcServer, ListenAddress } from "../src/grpc/server.ts";
import { isSecure, isUnix, portOf, socketPath } from "./reader.ts";
import type { Credentials } from "./tls/credentials.ts";

interface Place {
  readonly at: ListenAddress;
  readonly shown: string;
  secure: boolean;
  plain: boolean;
}

/**
 * Listens on all of them. An address that is named with and without TLS serves both, so that clients can change over one by
 * one; so does each with TLS where the settings of this side allow plaintext. Rejects with "configuration" where an address
 * is taken.
 */
export async function listenAll(
  server: GrpcServer,
  flag: string,
  urls: readonly URL[],
  credentials: Credentials,
): Promise<void> {
  for (const { at, shown, secure, plain } of placesOf(urls)) {
    if ("path" in at) removeSocket(at.path);
    try {
      const plaintextToo = plain || credentials.settings.plaintextToo;
      await server.listen(at, secure ? credentials.termsFor(server, plaintextToo) : null);
    } catch (error) {
      if (error instanceof QuorateError) throw error;
      const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
      throw new QuorateError(
        "configuration",
        `--${flag}: cannot listen on ${shown} (${reason}): choose another address, or stop what uses it`,
        error,
      );
    }
  }
}

function placesOf(urls: readonly URL[]): Iterable<Place> {
  const places = new Map<string, Place>();
  for (const url of urls) {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const path = socketPath(url);
    const shown = isUnix(url) ? path : `${host}:${portOf(url)}`;
    const at = isUnix(url) ? { path } : { host, port: portOf(url) };
    const place = places.get(shown) ?? { at, shown, secure: false, plain: false };
    if (isSecure(url)) place.secure = true;
    else place.plain = true;
    places.set(shown, place);
  }
  return places.values();
}

/** A process that was killed leaves its socket, on which nobody could listen again. What is no socket stays. */
function removeSocket(path: string): void {
  try {
    if (statSync(path).isSocket()) rmSync(path);
  } catch {
    // There is none.
  }
}
