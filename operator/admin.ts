/** What the operator asks of members, and no more. `member-admin.ts` answers it over the network, tests in memory too. */
import type { BootReport } from "../src/api/boot.ts";

/** Ids are lowercase hexadecimal, without leading zeros, as in boot reports. */
export interface MemberEntry {
  readonly id: string;
  /** Empty until the member has started once. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface MemberState {
  readonly memberId: string;
  readonly clusterId: string;
  /** Null: it knows none. */
  readonly leader: string | null;
  readonly isLearner: boolean;
  readonly version: string;
  readonly raftTerm: number;
  /** The last entry that it has. */
  readonly raftIndex: number;
  readonly appliedIndex: number;
  readonly revision: number;
  /** Bytes of the database, of them in use, and the limit; a limit of 0 is the server's default. */
  readonly dbSize: number;
  readonly dbSizeInUse: number;
  readonly dbSizeQuota: number;
  readonly errors: readonly string[];
}

export interface RaisedAlarm {
  readonly memberId: string;
  readonly alarm: "NOSPACE" | "CORRUPT";
}

export interface HistoryHash {
  readonly hash: number;
  /** Hashes are comparable at equal revisions of these two. */
  readonly compactRevision: number;
  readonly revision: number;
}

/** Where a member of the cluster listens. */
export interface MemberAddress {
  /** Of its pod. */
  readonly name: string;
  /** A URL: with the scheme that the member serves. */
  readonly client: string;
  readonly probe: string;
}

/** What connections with TLS need. */
export interface AdminTls {
  /** PEM bundle. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name that is in every member's certificate. */
  readonly serverName: string;
}

export interface AdminAccess {
  readonly members: readonly MemberAddress[];
  /** Null: there are no certificates, and no member has TLS. */
  readonly tls: AdminTls | null;
  /** Of root, for where certificates do not name us: one of them, in this order, if the members ask for any. */
  readonly rootPasswords: readonly string[];
}

/**
 * The members of one cluster. Methods without a member go to whichever answers. All reject where the answer is not known, with
 * a sentence; that something cannot be read is never an empty answer.
 */
export interface Admin {
  /** Linearizable. */
  members(): Promise<readonly MemberEntry[]>;
  /** Answers the new member's id. Rejects where the peer URL is taken, or a learner is there already. */
  addLearner(peerUrl: string): Promise<string>;
  /** The member is known by this URL from now on. Rejects where it is none any more, or the URL is another's. */
  move(id: string, peerUrl: string): Promise<void>;
  /** False: it has not caught up. */
  promote(id: string): Promise<boolean>;
  /** Resolves too where it was removed already. */
  remove(id: string): Promise<void>;
  /** `from`, a pod, leads now. */
  moveLeader(from: string, targetId: string): Promise<void>;
  /** Of one member, out of itself. */
  status(member: string): Promise<MemberState>;
  /** A linearizable read at this member: it takes part. Answers the revision. */
  readThrough(member: string): Promise<number>;
  hashKv(member: string, revision: number): Promise<HistoryHash>;
  alarms(): Promise<readonly RaisedAlarm[]>;
  disarm(alarm: RaisedAlarm): Promise<void>;
  /** Gives up the history up to this revision. Resolves too where it was given up already. */
  compact(revision: number): Promise<void>;
  defragment(member: string): Promise<void>;
  /** Whether names and passwords are asked for. */
  authEnabled(): Promise<boolean>;
  /** Makes root with this password, or changes its password, gives it its role, and turns authentication on. */
  secureRoot(password: string): Promise<void>;
  /** GET /boot: answered with or without a quorum. */
  boot(member: string): Promise<BootReport>;
}

/** Admins for clusters; connections are kept between passes, decisions are not. */
export interface AdminPool {
  reach(cluster: string, access: AdminAccess): Admin;
  /** The cluster is gone, or its members are. */
  forget(cluster: string): void;
}
