/** The member that a snapshot is read from. */
import { existsSync, readFileSync } from "node:fs";
import {
  Client,
  ClientError,
  type Member,
  type SnapshotPiece,
  type StatusResponse,
} from "../../../src/client/client.ts";
import { parsePasswords } from "../../cluster/operation/auth.ts";
import { openAsRoot } from "../../member-admin.ts";
import { TransferError } from "./result.ts";

export type SourcePolicy = "PreferFollower" | "Leader" | "Any";

export interface SourceOptions {
  readonly endpoints: readonly string[];
  /** Folder with `tls.crt`, `tls.key` and `ca.crt`; null: the cluster speaks plain text. */
  readonly tlsDir: string | null;
  /** A file with what root's password may be, as JSON; null, or not there: the certificate is enough, or nobody is asked. */
  readonly passwordsFile: string | null;
  readonly policy: SourcePolicy;
  readonly signal: AbortSignal;
}

/** What a member said of itself. */
export interface Candidate {
  readonly endpoint: string;
  readonly name: string;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  readonly isCorrupt: boolean;
  readonly revision: number;
  readonly version: string;
}

export interface Source {
  readonly member: Candidate;
  readonly clusterId: string;
  readonly authEnabled: boolean;
  /** At least this revision is in the snapshot. */
  readonly revision: number;
  /** The bytes of the snapshot as they come. */
  readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
  close(): void;
}

const STATUS_WITHIN_MS = 3_000;
/** Followers that are behind get so long to catch up before the leader is asked. */
const CATCH_UP_MS = 5_000;
const ASK_AGAIN_MS = 250;

/**
 * Opens the cluster and chooses. A member counts only if it has every write that was acknowledged before: one that is cut off
 * would give a snapshot of the past. Rejects with "ClusterUnavailable" without a quorum. Must be closed.
 */
export async function openSource(options: SourceOptions): Promise<Source> {
  const { signal } = options;
  const client = await openClient(options);
  try {
    const { revision } = await client.kv.range("\0", { countOnly: true, signal });
    const members = await client.cluster.list({ signal });
    const { enabled } = await client.auth.status({ signal });
    const member = await choose(client, members, revision, options);
    const [any] = await statuses(client, [member.endpoint], members, signal);
    return {
      member,
      clusterId: (any?.clusterId ?? 0n).toString(16),
      authEnabled: enabled,
      revision: member.revision,
      bytes: bytesOf(client.maintenance.snapshot({ endpoint: member.endpoint, signal }), member),
      close: () => client.close(),
    };
  } catch (thrown) {
    client.close();
    throw toTransferError(thrown);
  }
}

async function openClient({ endpoints, tlsDir, passwordsFile }: SourceOptions): Promise<Client> {
  const file = (name: string): { file: string } => ({ file: `${tlsDir}/${name}` });
  const build = (password: string | null): Client =>
    new Client({
      endpoints,
      timeoutMs: 20_000,
      ...(tlsDir === null
        ? {}
        : { tls: { ca: file("ca.crt"), cert: file("tls.crt"), key: file("tls.key") } }),
      ...(password === null ? {} : { user: { name: "root", password } }),
    });
  try {
    return await openAsRoot(readPasswords(passwordsFile), build);
  } catch (thrown) {
    throw toTransferError(thrown);
  }
}

function readPasswords(path: string | null): readonly string[] {
  if (path === null || !existsSync(path)) return [];
  return parsePasswords(readFileSync(path, "utf8"));
}

async function* bytesOf(
  pieces: AsyncIterable<SnapshotPiece>,
  { endpoint }: Candidate,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const { bytes } of pieces) yield bytes;
  } catch (thrown) {
    const error = toTransferError(thrown);
    throw new TransferError(
      error.reason,
      `the snapshot from ${endpoint} broke off: ${error.message}`,
    );
  }
}

async function choose(
  client: Client,
  members: readonly Member[],
  floor: number,
  { endpoints, policy, signal }: SourceOptions,
): Promise<Candidate> {
  const end = performance.now() + CATCH_UP_MS;
  for (;;) {
    signal.throwIfAborted();
    const isLast = performance.now() >= end;
    const found = await statuses(client, endpoints, members, signal);
    const chosen = chooseMember(
      found,
      floor,
      isLast && policy === "PreferFollower" ? "Any" : policy,
    );
    if (chosen !== null) return chosen;
    if (isLast) {
      const seen = found.map(({ name, revision }) => `${name} at ${revision}`).join(", ");
      throw new TransferError(
        "ClusterUnavailable",
        `no member can be read from: revision ${floor} is needed, there are: ${seen || "none"}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

/** The member to read from, or null while there is none. Pure. */
export function chooseMember<T extends Candidate>(
  candidates: readonly T[],
  floor: number,
  policy: SourcePolicy,
): T | null {
  const fit = candidates
    .filter(({ isLearner, isCorrupt, revision }) => !isLearner && !isCorrupt && revision >= floor)
    .toSorted((a, b) => Number(a.isLeader) - Number(b.isLeader) || (a.name < b.name ? -1 : 1));
  switch (policy) {
    case "Leader":
      return fit.find(({ isLeader }) => isLeader) ?? null;
    case "PreferFollower":
      // The only member there is leads.
      return fit.find(({ isLeader }) => !isLeader || candidates.length === 1) ?? null;
    default:
      return fit[0] ?? null;
  }
}

async function statuses(
  client: Client,
  endpoints: readonly string[],
  members: readonly Member[],
  signal: AbortSignal,
): Promise<(Candidate & { readonly clusterId: bigint })[]> {
  const asked = await Promise.allSettled(
    endpoints.map(async (endpoint) => {
      const status = await client.maintenance.status({
        endpoint,
        signal,
        timeoutMs: STATUS_WITHIN_MS,
      });
      return candidateOf(endpoint, status, members);
    }),
  );
  return asked.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}

function candidateOf(
  endpoint: string,
  status: StatusResponse,
  members: readonly Member[],
): Candidate & { readonly clusterId: bigint } {
  const id = status.header?.memberId ?? 0n;
  return {
    endpoint,
    name: members.find((member) => member.id === id)?.name ?? id.toString(16),
    isLeader: status.leader === id && id !== 0n,
    isLearner: status.isLearner,
    isCorrupt: status.errors.some((text) => text.includes("CORRUPT")),
    revision: status.header?.revision ?? 0,
    version: status.version,
    clusterId: status.header?.clusterId ?? 0n,
  };
}

function toTransferError(thrown: unknown): TransferError {
  if (thrown instanceof TransferError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (!(thrown instanceof ClientError)) return new TransferError("Failed", text, thrown);
  switch (thrown.code) {
    case "configuration":
      return new TransferError("Misconfigured", text, thrown);
    case "cancelled":
      return new TransferError("Interrupted", text, thrown);
    case "dataLoss":
    case "corruption":
      return new TransferError("SnapshotDamaged", text, thrown);
    default:
      return new TransferError("ClusterUnavailable", text, thrown);
  }
}
