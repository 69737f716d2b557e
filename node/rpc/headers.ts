/** Response headers for the codecs that take them as messages. */
import type { ResponseHeader } from "../../src/api/gen/header.ts";
import type { Host } from "./host.ts";

/** Filled in full, as of now. */
export function headerOf(host: Host, revision: number): ResponseHeader {
  return {
    clusterId: host.identity.clusterId,
    memberId: host.identity.memberId,
    revision,
    raftTerm: host.header(revision).raftTerm,
  };
}
