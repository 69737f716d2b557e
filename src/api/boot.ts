/**
 * What the operator and a member that it runs say to each other beside gRPC: boot tickets (operator to member, a file) and
 * boot reports (member to operator, HTTP GET /boot on the probe port, JSON). 64-bit ids are lowercase hexadecimal strings.
 */

/** What an empty disk may do, and once. */
export type BootMode =
  /** Begin a cluster of one: the seed. */
  | "bootstrap"
  /** Take a place that the running cluster has named already, by its peer URL. */
  | "join"
  /** The one member of what comes next, out of the data on this disk: quorum was lost and a person said so. */
  | "forceNew";

/**
 * One ticket, one file a member, named for it. A file with no ticket (absent, or `{}`) allows nothing to an empty disk.
 * Where there are data, `bootstrap` and `join` are ignored; `forceNew` needs data.
 */
export interface BootTicket {
  readonly mode: BootMode;
  /** Never issued twice. A member records the last one that it used beside its identity. */
  readonly nonce: string;
  /**
   * Counts recoveries of the cluster. A member whose own number is lower is fenced: what it holds belongs to a past that was
   * given up. Begins with 1.
   */
  readonly incarnation: number;
  /** Of the cluster, where it is known; a member of another one is fenced. */
  readonly clusterId: string | null;
  /** For `join`: the members of the cluster, this one among them, as `--initial-cluster` has them. */
  readonly initialCluster: string;
}

/** What the volume holds for a member that needs no ticket: the fences alone. */
export interface BootFence {
  readonly incarnation: number;
  readonly clusterId: string | null;
  /** This member's id in the cluster; another one on its disk was removed, and is fenced. Null: not known yet. */
  readonly memberId: string | null;
}

/** The file `<member name>.json`. */
export interface BootFile {
  readonly ticket: BootTicket | null;
  readonly fence: BootFence | null;
}

export type BootPhase =
  /** The disk is empty and no unused ticket allows it to begin. */
  | "AwaitingTicket"
  /** Alive, serving nothing: what it holds is not part of the cluster any more. `reason` says why. */
  | "Fenced"
  /** Opening, recovering, being rebuilt from peers. */
  | "Starting"
  /** Raft runs, with or without a leader. */
  | "Running";

/** Answered at any time, with or without quorum, unauthenticated: nothing in it is secret. */
export interface BootReport {
  readonly phase: BootPhase;
  readonly reason: string;
  readonly name: string;
  /** Version of the member's build. */
  readonly version: string;
  readonly memberId: string | null;
  readonly clusterId: string | null;
  readonly incarnation: number | null;
  /** The nonce of the ticket that this disk used last. */
  readonly usedNonce: string | null;
  /** Last entry of the log, from disk: who has the highest (term, index) lost least. */
  readonly lastTerm: number | null;
  readonly lastIndex: number | null;
  readonly appliedIndex: number | null;
  /** Id of the leader that it follows; null while there is none. */
  readonly leader: string | null;
  /** Without a leader, why so many peers refuse it that it can be in no quorum: waiting alone does not mend it. */
  readonly refusal?: string;
  /** What the listeners use now, so that a rotation knows who has taken it over. SHA-256 fingerprints, lowercase hex. */
  readonly tls: { readonly client: TlsInUse | null; readonly peer: TlsInUse | null };
}

export interface TlsInUse {
  /** Of the leaf certificate. */
  readonly certificate: string;
  /** Of each trusted authority. */
  readonly authorities: readonly string[];
}
