/** How far a member has come, for whoever asks `/boot`: answered at any time, before there is a member and after it. */
import type { BootPhase, BootReport, TlsInUse } from "../../src/api/boot.ts";
import { NO_MEMBER } from "../../src/raft/types.ts";
import type { Identity } from "../data-dir.ts";
import { QUORATE_VERSION } from "../version.ts";

/** How far log and state have come; null where nobody has looked. */
export interface Progress {
  readonly lastTerm: number | null;
  readonly lastIndex: number | null;
  readonly appliedIndex: number | null;
}

/** What is asked of a member that runs. */
export interface LiveMember {
  readonly identity: Identity;
  readonly machine: { readonly appliedIndex: number };
  readonly wal: { lastIndex(): number; term(index: number): number | null };
  /** `refusal`: why so many peers refuse this member that it can be in no quorum; empty: they do not. */
  readonly links: { refusal(): string };
  leader(): bigint;
}

/** Where the listeners' certificates are known. */
export interface TlsSides {
  readonly client: { readonly material: { readonly inUse: TlsInUse | null } };
  readonly peer: { readonly material: { readonly inUse: TlsInUse | null } };
}

const UNKNOWN: Progress = { lastTerm: null, lastIndex: null, appliedIndex: null };

export class BootStatus {
  readonly #name: string;
  readonly #tls: TlsSides;
  #phase: BootPhase = "Starting";
  #reason = "the process begins";
  #identity: Identity | null = null;
  #progress: Progress = UNKNOWN;
  #member: LiveMember | null = null;

  constructor(name: string, tls: TlsSides) {
    this.#name = name;
    this.#tls = tls;
  }

  get phase(): BootPhase {
    return this.#phase;
  }

  /** One line for people; empty while nothing is amiss. */
  get reason(): string {
    const member = this.#member;
    if (member === null || member.leader() !== NO_MEMBER) return this.#reason;
    const refusal = member.links.refusal();
    return refusal === "" ? "there is no leader" : `its peers refuse this member: ${refusal}`;
  }

  /** True if that is news. */
  set(phase: Exclude<BootPhase, "Running">, reason: string): boolean {
    const news = phase !== this.#phase || reason !== this.#reason;
    this.#phase = phase;
    this.#reason = reason;
    return news;
  }

  /** Whose disk it is, before there is a member. */
  identify(identity: Identity | null, progress: Progress | null = null): void {
    this.#identity = identity;
    this.#progress = progress ?? UNKNOWN;
  }

  /** Raft runs. */
  run(member: LiveMember): void {
    this.#phase = "Running";
    this.#reason = "";
    this.#member = member;
  }

  /** The member is about to stop: what it has come to is told from now on, and why. */
  freeze(reason: string): void {
    if (this.#member === null) return;
    this.#reason = reason;
    this.identify(this.#member.identity, progressOf(this.#member));
    this.#member = null;
  }

  report(): BootReport {
    const member = this.#member;
    const identity = member?.identity ?? this.#identity;
    const leader = member?.leader() ?? NO_MEMBER;
    const refusal = leader === NO_MEMBER ? (member?.links.refusal() ?? "") : "";
    return {
      phase: this.#phase,
      reason: this.reason,
      name: this.#name,
      version: QUORATE_VERSION,
      memberId: identity?.memberId.toString(16) ?? null,
      clusterId: identity?.clusterId.toString(16) ?? null,
      incarnation: identity?.fenceIncarnation ?? null,
      usedNonce: identity?.usedNonce ?? null,
      ...(member === null ? this.#progress : progressOf(member)),
      leader: leader === NO_MEMBER ? null : leader.toString(16),
      ...(refusal === "" ? {} : { refusal }),
      tls: { client: this.#tls.client.material.inUse, peer: this.#tls.peer.material.inUse },
    };
  }
}

function progressOf({ wal, machine }: LiveMember): Progress {
  const lastIndex = wal.lastIndex();
  return { lastIndex, lastTerm: wal.term(lastIndex), appliedIndex: machine.appliedIndex };
}
