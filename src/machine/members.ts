/**
 * Who is in the cluster: one owner, stored in the same batch as the applied index. Changes are validated here, when they are
 * applied, so that every member comes to the same answer. Removed ids are kept for good.
 */
import { Bucket } from "../backend/buckets.ts";
import type { BucketWriter } from "../backend/backend.ts";
import { API_ERRORS, type ApiError } from "../api/catalogue.ts";
import {
  decodeStoredMember,
  encodeStoredMember,
  MembershipChangeKind,
  storedMember,
} from "../api/gen/command.ts";
import type { MembershipChange, StoredMember } from "../api/gen/command.ts";

export type Member = Readonly<StoredMember>;

export class Members {
  readonly #writer: BucketWriter;
  readonly #byId = new Map<bigint, Member>();
  readonly #removed = new Set<bigint>();

  constructor(writer: BucketWriter) {
    this.#writer = writer;
  }

  /** Takes in one stored record. */
  load(payload: Uint8Array): void {
    this.#remember(decodeStoredMember(payload));
  }

  /** All present members, by ascending id. */
  list(): readonly Member[] {
    return [...this.#byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  get(id: bigint): Member | null {
    return this.#byId.get(id) ?? null;
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  get removed(): ReadonlySet<bigint> {
    return this.#removed;
  }

  /** Members of the bootstrap: the state that the log begins with. */
  bootstrap(members: readonly Member[]): void {
    for (const member of members) this.#store(member);
  }

  /**
   * Of all members only this one stays, as a voter, even if it was removed; the ids of all others are gone for good. Not by an
   * entry of the log: for a member that begins another cluster with this state.
   */
  leaveOnly(member: Member): void {
    for (const other of this.list()) {
      if (other.id !== member.id) this.#store({ ...other, removed: true });
    }
    this.#removed.delete(member.id);
    this.#store({ ...member, isLearner: false, removed: false });
  }

  /** Null if the change was made; else why not. */
  change(change: MembershipChange): ApiError | null {
    const { kind, member } = change;
    if (member === null) return API_ERRORS.memberNotFound;
    const present = this.#byId.get(member.id);
    switch (kind) {
      case MembershipChangeKind.addVoter:
      case MembershipChangeKind.addLearner:
        return this.#add(member, kind === MembershipChangeKind.addLearner);
      case MembershipChangeKind.promote:
        if (present === undefined) return API_ERRORS.memberNotFound;
        if (!present.isLearner) return API_ERRORS.memberNotLearner;
        this.#store({ ...present, isLearner: false });
        return null;
      case MembershipChangeKind.remove:
        if (present === undefined) return API_ERRORS.memberNotFound;
        // Nobody could bring the cluster back. Refused here as well, for who runs without the check before the proposal.
        if (this.#isLastVoter(present)) return API_ERRORS.notEnoughStarted;
        this.#store({ ...present, removed: true });
        return null;
      case MembershipChangeKind.update:
        if (present === undefined) return API_ERRORS.memberNotFound;
        if (this.#urlsTaken(member)) return API_ERRORS.peerUrlExists;
        this.#store({ ...present, peerUrls: member.peerUrls });
        return null;
      default:
        return API_ERRORS.memberNotFound;
    }
  }

  /** What a started member says of itself; nothing if it is gone. */
  publish(id: bigint, name: string, clientUrls: readonly string[]): void {
    const present = this.#byId.get(id);
    if (present !== undefined) this.#store({ ...present, name, clientUrls });
  }

  #add(member: Member, isLearner: boolean): ApiError | null {
    if (this.#byId.has(member.id) || this.#removed.has(member.id)) return API_ERRORS.memberExists;
    if (this.#urlsTaken(member)) return API_ERRORS.peerUrlExists;
    this.#store(storedMember({ id: member.id, peerUrls: member.peerUrls, isLearner }));
    return null;
  }

  #isLastVoter(member: Member): boolean {
    return !member.isLearner && this.list().every((one) => one === member || one.isLearner);
  }

  #urlsTaken(member: Member): boolean {
    const wanted = new Set(member.peerUrls);
    return this.list().some(
      (other) => other.id !== member.id && other.peerUrls.some((url) => wanted.has(url)),
    );
  }

  #store(member: Member): void {
    const key = Buffer.alloc(8);
    key.writeBigUInt64BE(member.id);
    this.#writer.put(Bucket.members, key, encodeStoredMember(member));
    this.#remember(member);
  }

  #remember(member: Member): void {
    if (member.removed) {
      this.#byId.delete(member.id);
      this.#removed.add(member.id);
    } else {
      this.#byId.set(member.id, member);
    }
  }
}
