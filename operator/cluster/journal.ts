/**
 * The operator's memory of one cluster: a JSON document in a ConfigMap, written with resourceVersion preconditions and before
 * whatever it announces. An operation says what was intended; whether it was done is always asked of the cluster.
 */
import type { BootFile } from "../../src/api/boot.ts";
import { withDefaults } from "../api/apply-defaults.ts";
import type { DefaultedClusterSpec, RestoreSource } from "../api/gen/types.ts";
import type { MemberReplacement } from "./operation/replace-reasons.ts";
import type { Origin } from "./restore-port.ts";
import type { Scheme, Transport } from "./transport.ts";

/** What was decided when the cluster was made and stays until the spec says otherwise. */
export interface Latched {
  readonly version: string;
  /** Without a tag; where the spec names none. */
  readonly repository: string;
  readonly layoutRevision: string;
  readonly clusterDomain: string;
  /** Of the members' template: with TLS, without, or on the way. */
  readonly transport: Transport;
  /** As `transport`, for an operator from before there was that. */
  readonly plaintext: boolean;
}

/** The spec that is followed. */
export interface AdoptedSpec {
  readonly generation: number;
  readonly spec: DefaultedClusterSpec;
  /** What of it is not followed, and why; null: all is. */
  readonly refusal: string | null;
}

/** Of what the template of the pods is made. */
export interface TemplateSource {
  readonly spec: DefaultedClusterSpec;
  readonly latched: Latched;
}

/** In what a majority took part last: where a roll that fails goes back to. */
export interface ProvenTemplate extends TemplateSource {
  /** The StatefulSet's name for it, which those pods carry. */
  readonly revision: string;
  /** Members on whose disks a build of a newer minor version may have run since. */
  readonly outgrown: readonly string[];
}

/** A roll that failed and was taken back: pods are made of what was proven, until the spec asks for another template. */
export interface FailedRoll {
  /** The StatefulSet's name for the template that failed. */
  readonly revision: string;
  /** Digest of that template: a spec that asks for the same one is not tried again. */
  readonly template: string;
  /** The pod at which it failed; null: there was none. */
  readonly podUid: string | null;
  /** What failed, and why. */
  readonly message: string;
  /** The annotation by which a person has it tried again, as it was then. */
  readonly retry: string | null;
}

interface OperationHead {
  readonly id: string;
  /** What was intended last: a word for status and for people. */
  readonly step: string;
  /** How often the step was begun. */
  readonly attempts: number;
  readonly startedAt: string;
  /** After it the operation is called stalled; null: never. */
  readonly deadline: string | null;
  /** UID of the QuorateTask that asked for it; null: the spec or the cluster's own state did. */
  readonly task: string | null;
}

export interface BootstrapOperation extends OperationHead {
  readonly type: "Bootstrap";
  /** UIDs of the claims that were there before: each must be shown to be empty before the seed gets its ticket. */
  readonly priorClaims: readonly string[];
  /** Of the one bootstrap ticket; null before it was issued. */
  readonly nonce: string | null;
}

export interface AddMemberOperation extends OperationHead {
  readonly type: "AddMember";
  readonly member: string;
  /** The id that the ticket was issued for; null before. */
  readonly memberId: string | null;
  readonly nonce: string | null;
  /** The join was given up: what is left is to remove the learner and its disk. */
  readonly abandoned: string | null;
}

export interface RemoveMemberOperation extends OperationHead {
  readonly type: "RemoveMember";
  readonly member: string;
  /** UID of the claim that goes with it, by the policy; null: stays. */
  readonly claimUid: string | null;
}

export interface ReplaceMemberOperation extends OperationHead {
  readonly type: "ReplaceMember";
  readonly member: string;
  readonly reason: MemberReplacement;
  /** The member to remove; null: the list had none at this peer URL. One with another id there is its successor. */
  readonly memberId: string | null;
  /** What goes with it; null: was not there. */
  readonly claimUid: string | null;
  readonly podUid: string | null;
}

export interface RecreatePodOperation extends OperationHead {
  readonly type: "RecreatePod";
  readonly member: string;
  readonly podUid: string;
}

export interface RollOperation extends OperationHead {
  readonly type: "Roll";
  readonly revision: string;
  /** The pod that is being made anew. */
  readonly current: { readonly member: string; readonly podUid: string } | null;
  /** When it was first seen to take part again. */
  readonly seenAt: string | null;
}

export interface GrowVolumesOperation extends OperationHead {
  readonly type: "GrowVolumes";
  /** Of the StatefulSet that is deleted without its pods, to be made again with a larger claim template. */
  readonly statefulSetUid: string;
}

export interface HibernateOperation extends OperationHead {
  readonly type: "Hibernate";
}

export interface WakeOperation extends OperationHead {
  readonly type: "Wake";
}

export interface RepairSpaceOperation extends OperationHead {
  readonly type: "RepairSpace";
  readonly defragmented: readonly string[];
}

export interface RepairCorruptionOperation extends OperationHead {
  readonly type: "RepairCorruption";
  /** At which the members are compared; null: not chosen yet. */
  readonly revision: number | null;
  /** Id of the one that differs, while alarms that name others are being ended; null or absent: there are none such. */
  readonly odd?: string | null;
}

export interface DefragmentOperation extends OperationHead {
  readonly type: "Defragment";
  readonly members: readonly string[];
  readonly done: readonly string[];
}

export interface MoveLeaderOperation extends OperationHead {
  readonly type: "MoveLeader";
  readonly member: string;
}

export interface DowngradeOperation extends OperationHead {
  readonly type: "Downgrade";
  readonly version: string;
}

export interface RecoverQuorumOperation extends OperationHead {
  readonly type: "RecoverQuorum";
  /** The survivor. */
  readonly member: string;
  readonly nonce: string;
  /** Of the disks of all others: a person has given them up. */
  readonly claimUids: readonly string[];
}

export interface MovePeersOperation extends OperationHead {
  readonly type: "MovePeers";
  /** Of the URLs by which members are known afterwards. */
  readonly scheme: Scheme;
  /** Whose URL is being changed, or was, and has not been seen to do well since. */
  readonly current: string | null;
  /** When all members were first seen to take part again. */
  readonly seenAt: string | null;
}

/** What members do from then on. */
export type AuthorityTurn = "TrustBoth" | "SignWithNew" | "TrustNewAlone";

export interface RotateAuthorityOperation extends OperationHead {
  readonly type: "RotateAuthority";
  readonly step: AuthorityTurn;
}

/** `refusal`: why nothing is restored; null: the source is sound. */
export interface RestoreVerdict {
  readonly refusal: string | null;
}

export interface RestoreOperation extends OperationHead {
  readonly type: "Restore";
  readonly source: RestoreSource;
  /** A running cluster goes back to it; else a new one begins with it. */
  readonly inPlace: boolean;
  /** Names the restore for ever. */
  readonly nonce: string;
  /** Pods that there shall be afterwards. */
  readonly size: number;
  /** Of the disks of all but ordinal 0: a person has given them up. */
  readonly claimUids: readonly string[];
  /** In place: where the source led when it was found, whatever becomes of the objects that led there; null: not found yet. */
  readonly origin: Origin | null;
  /** What the check of the source came to, before anything stopped; null: nothing yet, or nobody runs who would be stopped. */
  readonly verdict: RestoreVerdict | null;
  /** What the Job told; null before it succeeded. */
  readonly restored: {
    readonly clusterId: string;
    readonly memberId: string;
    readonly revision: number;
  } | null;
}

export type Operation =
  | BootstrapOperation
  | AddMemberOperation
  | RemoveMemberOperation
  | ReplaceMemberOperation
  | RecreatePodOperation
  | RollOperation
  | GrowVolumesOperation
  | HibernateOperation
  | WakeOperation
  | RepairSpaceOperation
  | RepairCorruptionOperation
  | DefragmentOperation
  | MoveLeaderOperation
  | DowngradeOperation
  | RecoverQuorumOperation
  | RotateAuthorityOperation
  | MovePeersOperation
  | RestoreOperation;

export type OperationType = Operation["type"];

export interface FinishedOperation {
  readonly id: string;
  /** Refused: a task that nothing was begun for. */
  readonly type: OperationType | "Refused";
  readonly member: string | null;
  readonly task: string | null;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly outcome: "Done" | "Abandoned" | "Failed";
  readonly message: string;
}

export interface Journal {
  readonly version: 1;
  /** Grows with every write; a boot ConfigMap is never written from an older one than it holds. */
  readonly revision: number;
  readonly latched: Latched;
  /** The spec that objects are built from and operations follow. */
  readonly adopted: AdoptedSpec;
  /** Null: not known yet. */
  readonly proven: ProvenTemplate | null;
  /** Null: no roll has failed, or the spec has changed since. */
  readonly failed: FailedRoll | null;
  readonly incarnation: number;
  readonly clusterId: string | null;
  /** Pods that the StatefulSet shall have now. */
  readonly size: number;
  /** While it hibernates: the pods that come back first. */
  readonly asleep: number | null;
  /** The boot ConfigMap is rendered from it. */
  readonly boot: Readonly<Record<string, BootFile>>;
  readonly operation: Operation | null;
  /** Numbers operations. */
  readonly counter: number;
  readonly recreates: Readonly<Record<string, { readonly count: number; readonly since: string }>>;
  /** UID and resourceVersion of the Secret that root's password was set from; null: never. */
  readonly rootPassword: string | null;
  /** The version that a QuorateTask downgrade has prepared the cluster for; null: none. */
  readonly downgradeTo: string | null;
  /** By member: versions that its disk may still be of, other than the minor version that is followed; absent: none. */
  readonly versionsLeft?: Readonly<Record<string, readonly string[]>>;
  /** The value of the annotation that last had the authority replaced; null: none. */
  readonly rotated: string | null;
  /** The newest last; at most 20. */
  readonly history: readonly FinishedOperation[];
}

const HISTORY_MAX = 20;

/** What a person reads when the operator's memory was edited into something else. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

/** Throws a `JournalError` for what no operator of this version wrote. */
export function parseJournal(text: string): Journal {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw new JournalError("the journal is not JSON: restore it, or delete it", { cause: thrown });
  }
  if (parsed === null || typeof parsed !== "object" || !("version" in parsed))
    throw new JournalError("the journal says no version: restore it, or delete it");
  if (parsed.version !== 1) {
    const version = JSON.stringify(parsed.version);
    throw new JournalError(`the journal is of version ${version}: a newer operator wrote it`);
  }
  return completed(parsed as Journal);
}

/**
 * An operator before this one did not know all the defaults, checked no source, went neither to TLS nor away from it, and knew of
 * no roll that is taken back.
 */
function completed(journal: Journal): Journal {
  const since: Partial<Pick<Journal, "proven" | "failed">> = journal;
  const { proven = null, failed = null } = since;
  const { adopted, operation } = journal;
  const { transport, plaintext }: Latched | (Latched & { transport: undefined }) = journal.latched;
  return {
    ...journal,
    latched: latchedTransport(journal.latched, transport ?? (plaintext ? "Plaintext" : "Tls")),
    operation: operation?.type === "Restore" ? { ...UNCHECKED, ...operation } : operation,
    adopted: { ...adopted, spec: withDefaults(adopted.spec) },
    proven: proven === null ? null : { ...proven, spec: withDefaults(proven.spec) },
    failed,
  };
}

/** With this one, told to operators of before as well as it can be. */
export function latchedTransport<T extends object>(
  latched: T,
  transport: Transport,
): T & Pick<Latched, "transport" | "plaintext"> {
  return { ...latched, transport, plaintext: transport === "Plaintext" };
}

/** Of what pods are made now. */
export function templateSource(journal: Journal): TemplateSource {
  const { adopted, latched, proven, failed } = journal;
  return failed !== null && proven !== null
    ? sourceBefore(journal, proven)
    : { spec: adopted.spec, latched };
}

/** What was proven, but for TLS: on the way to it, or from it, the template says what it is safe for members to become. */
export function sourceBefore(
  { adopted, latched }: Pick<Journal, "adopted" | "latched">,
  proven: ProvenTemplate,
): TemplateSource {
  const { transport } = latched;
  if (proven.latched.transport === transport) return proven;
  const { tls } = adopted.spec;
  const spec = tls === undefined ? proven.spec : { ...proven.spec, tls };
  return { spec, latched: latchedTransport(proven.latched, transport) };
}

const UNCHECKED: Pick<RestoreOperation, "origin" | "verdict"> = { origin: null, verdict: null };

/** The journal with other contents, and one revision further. */
export function revised(journal: Journal, changes: Partial<Journal>): Journal {
  return { ...journal, ...changes, version: 1, revision: journal.revision + 1 };
}

/** Without its operation, which goes into the history. */
export function finished(
  journal: Journal,
  outcome: FinishedOperation["outcome"],
  message: string,
  now: number,
): Partial<Journal> {
  const { operation } = journal;
  if (operation === null) return {};
  const entry: FinishedOperation = {
    id: operation.id,
    type: operation.type,
    member: "member" in operation ? operation.member : null,
    task: operation.task,
    startedAt: operation.startedAt,
    finishedAt: new Date(now).toISOString(),
    outcome,
    message,
  };
  return { operation: null, history: [...journal.history, entry].slice(-HISTORY_MAX) };
}

/** The boot files with one of them changed; null takes it away. */
export function withBootFile(
  journal: Journal,
  member: string,
  file: BootFile | null,
): Readonly<Record<string, BootFile>> {
  const rest = Object.entries(journal.boot).filter(([name]) => name !== member);
  return Object.fromEntries(file === null ? rest : [...rest, [member, file]]);
}
