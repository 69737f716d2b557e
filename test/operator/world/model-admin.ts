/** The operator's port to members, answered by the modelled ones: late, sometimes not at all, sometimes with the answer lost. */
import type { BootReport } from "../../../src/api/boot.ts";
import type {
  Admin,
  AdminAccess,
  AdminPool,
  HistoryHash,
  MemberEntry,
  MemberState,
  RaisedAlarm,
} from "../../../operator/admin.ts";
import { sleep } from "../../../operator/time.ts";
import { ConsensusError, type Lineage, type Running, idOf } from "./consensus.ts";
import { VERSION } from "./pod-status.ts";
import { isMuted } from "./soundness.ts";
import { schemeOfUrl } from "./spoken.ts";
import type { World } from "./world.ts";

/** Called at each end of each call, with what it is about; one that throws does so to the caller. */
export type AdminHook = (call: string, when: "before" | "after") => Promise<void>;

const CORRUPT = "etcdserver: corrupt cluster";

export class ModelAdmins implements AdminPool {
  readonly #world: World;
  readonly #hook: AdminHook;

  constructor(world: World, hook: AdminHook) {
    this.#world = world;
    this.#hook = hook;
  }

  reach(_cluster: string, access: AdminAccess): Admin {
    return new ModelAdmin(this.#world, access, this.#hook);
  }

  forget(): void {}
}

class ModelAdmin implements Admin {
  readonly #world: World;
  readonly #access: AdminAccess;
  readonly #hook: AdminHook;

  constructor(world: World, access: AdminAccess, hook: AdminHook) {
    this.#world = world;
    this.#access = access;
    this.#hook = hook;
  }

  members(): Promise<readonly MemberEntry[]> {
    return this.#call("members", () => {
      const { lineage } = this.#leading();
      return lineage.seats.map(({ id, name, url, learner }) => ({
        id,
        name,
        peerUrls: [url],
        isLearner: learner,
      }));
    });
  }

  addLearner(peerUrl: string): Promise<string> {
    return this.#call(`addLearner ${peerUrl}`, () => {
      const { lineage, running } = this.#leading();
      if (lineage.seats.some(({ url }) => url === peerUrl))
        throw new ConsensusError("etcdserver: Peer URLs already exists");
      if (lineage.seats.some(({ learner }) => learner))
        throw new ConsensusError("etcdserver: too many learner members in cluster");
      const id = this.#world.newId();
      const seat = { id, url: peerUrl, learner: true, name: "" };
      lineage.reseat([...lineage.seats, seat], running);
      return id;
    });
  }

  move(id: string, peerUrl: string): Promise<void> {
    return this.#call(`move ${id}`, () => {
      const { lineage, running } = this.#leading();
      if (!lineage.seats.some((each) => each.id === id))
        throw new ConsensusError("etcdserver: member not found");
      if (lineage.seats.some(({ id: other, url }) => other !== id && url === peerUrl))
        throw new ConsensusError("etcdserver: Peer URLs already exists");
      const seats = lineage.seats.map((each) =>
        each.id === id ? { ...each, url: peerUrl } : each,
      );
      lineage.reseat(seats, running);
    });
  }

  promote(id: string): Promise<boolean> {
    return this.#call(`promote ${id}`, () => {
      const { lineage, running } = this.#leading();
      const seat = lineage.seats.find((each) => each.id === id);
      if (seat === undefined) throw new ConsensusError("etcdserver: member not found");
      if (!seat.learner) return true;
      const there = running.find(({ disk }) => idOf(disk) === id);
      if (there === undefined || there.disk.index < lineage.entries.length) return false;
      const seats = lineage.seats.map((each) =>
        each === seat ? { ...each, learner: false } : each,
      );
      lineage.reseat(seats, running);
      return true;
    });
  }

  remove(id: string): Promise<void> {
    return this.#call(`remove ${id}`, () => {
      const { lineage, running } = this.#leading();
      const seats = lineage.seats.filter((each) => each.id !== id);
      if (seats.length < lineage.seats.length) lineage.reseat(seats, running);
    });
  }

  moveLeader(_from: string, targetId: string): Promise<void> {
    return this.#call(`moveLeader ${targetId}`, () => {
      const { lineage, running } = this.#leading();
      const target = running.find(({ disk }) => idOf(disk) === targetId);
      if (target === undefined || target.disk.index < lineage.entries.length)
        throw new ConsensusError("etcdserver: request timed out, leader transfer took too long");
      lineage.leader = targetId;
      lineage.term++;
    });
  }

  status(member: string): Promise<MemberState> {
    return this.#call(`status ${member}`, () => {
      const { lineage } = this.#at(member);
      const self = this.#self(member);
      const percent = this.#world.sizes.get(idOf(self.disk)) ?? 1;
      const dbSize = percent * this.#world.percentBytes;
      const process = this.#world.processes.get(member);
      const seat = lineage.seatsAt(self.disk.index).find(({ id }) => id === idOf(self.disk));
      return {
        memberId: idOf(self.disk),
        clusterId: lineage.clusterId,
        leader: lineage.leader,
        isLearner: seat?.learner ?? true,
        version: process?.version ?? VERSION,
        raftTerm: lineage.term,
        raftIndex: self.disk.index,
        appliedIndex: self.disk.index,
        revision: self.disk.index,
        dbSize,
        // Beyond the quota all of it is in use; else there is nearly nothing.
        dbSizeInUse: percent > 100 ? dbSize : this.#world.percentBytes,
        dbSizeQuota: process?.quotaBytes ?? 0,
        errors: [],
      };
    });
  }

  readThrough(member: string): Promise<number> {
    return this.#call(`read ${member}`, () => {
      const { lineage, running } = this.#at(member);
      lineage.elect(running);
      if (lineage.leader === null) throw new ConsensusError("etcdserver: no leader");
      const self = running.find(({ pod }) => pod === member);
      const seat = lineage.seats.find(({ id }) => self !== undefined && id === idOf(self.disk));
      if (seat === undefined || seat.learner)
        throw new ConsensusError("etcdserver: rpc not supported for learner");
      if (isMuted(this.#world, seat.id)) throw new ConsensusError(CORRUPT);
      // It answers once it has applied what was committed when it was asked.
      const process = this.#world.processes.get(member);
      if (process !== undefined) process.readAt = lineage.entries.length;
      return lineage.entries.length;
    });
  }

  hashKv(member: string, revision: number): Promise<HistoryHash> {
    return this.#call(`hash ${member}`, () => {
      const id = idOf(this.#self(member).disk);
      return { hash: this.#world.odd.has(id) ? 2 : 1, compactRevision: 0, revision };
    });
  }

  alarms(): Promise<readonly RaisedAlarm[]> {
    return this.#call("alarms", () => {
      this.#leading();
      return [...this.#world.alarms].map((raised) => {
        const [alarm, memberId = ""] = raised.split(" ");
        return { alarm: alarm as RaisedAlarm["alarm"], memberId };
      });
    });
  }

  disarm({ alarm, memberId }: RaisedAlarm): Promise<void> {
    return this.#call("disarm", () => {
      this.#world.care.push(`disarm ${alarm}`);
      this.#world.alarms.delete(`${alarm} ${memberId}`);
    });
  }

  compact(): Promise<void> {
    return this.#call("compact", () => {
      if ([...this.#world.alarms].some((raised) => raised.startsWith("CORRUPT")))
        throw new ConsensusError(CORRUPT);
      this.#world.care.push("compact");
    });
  }

  /** A quarter of a database is in use, where it was not said to be full. */
  defragment(member: string): Promise<void> {
    return this.#call(`defragment ${member}`, () => {
      this.#world.care.push(`defragment ${member}`);
      const id = idOf(this.#self(member).disk);
      const size = this.#world.sizes.get(id) ?? 1;
      if (size <= 100) this.#world.sizes.set(id, size / 4);
    });
  }

  authEnabled(): Promise<boolean> {
    return this.#call("authEnabled", () => this.#world.rootPassword !== null);
  }

  secureRoot(password: string): Promise<void> {
    return this.#call("secureRoot", () => {
      this.#leading();
      this.#world.care.push(`root ${password}`);
      this.#world.rootPassword = password;
    });
  }

  boot(member: string): Promise<BootReport> {
    return this.#call(`boot ${member}`, () => {
      const report = this.#world.report(member);
      if (report === null) throw new ConsensusError(`${member} does not answer`);
      return report;
    });
  }

  async #call<T>(call: string, act: () => T): Promise<T> {
    await this.#hook(call, "before");
    const answer = act();
    await this.#hook(call, "after");
    return answer;
  }

  /** With a certificate that names root, which it can show this member, or one of the passwords. */
  #login(member: string): void {
    const { rootPassword } = this.#world;
    const { tls, rootPasswords, members } = this.#access;
    const url = members.find(({ name }) => name === member)?.client ?? "";
    const isNamed = tls !== null && schemeOfUrl(url) === "https" && rootPasswords.length === 0;
    if (rootPassword !== null && !isNamed && !rootPasswords.includes(rootPassword))
      throw new ConsensusError("etcdserver: authentication failed, invalid user ID or password");
  }

  #refusal(member: string): string | null {
    const { tls, members } = this.#access;
    const address = members.find(({ name }) => name === member);
    const served = this.#world.processes.get(member)?.spoken.clients;
    const scheme = schemeOfUrl(address?.client ?? "");
    if (served?.has(scheme) !== true) return `${member} does not serve ${scheme}`;
    if (scheme === "http") return null;
    return tls === null ? "no certificate to show" : this.#world.tls.refusal(member, tls);
  }

  #self(member: string): Running {
    const self = this.#at(member).running.find(({ pod }) => pod === member);
    if (self === undefined) throw new ConsensusError(`${member} does not run`);
    return self;
  }

  #at(member: string): { readonly lineage: Lineage; readonly running: readonly Running[] } {
    const lineage = this.#world.lineageOf(member);
    if (lineage === null) throw new ConsensusError(`${member} does not run`);
    const refusal = this.#refusal(member);
    if (refusal !== null) throw new ConsensusError(refusal);
    this.#login(member);
    return { lineage, running: this.#world.running(lineage) };
  }

  /** Whoever answers first: a cluster with a leader that a quorum stands by, among the pods that the operator knows. */
  #leading(): { readonly lineage: Lineage; readonly running: readonly Running[] } {
    for (const { name } of this.#access.members) {
      const lineage = this.#world.lineageOf(name);
      if (lineage === null || this.#refusal(name) !== null) continue;
      const running = this.#world.running(lineage);
      if (!running.some(({ pod }) => pod === name)) continue;
      this.#login(name);
      lineage.elect(running);
      if (lineage.leader !== null) return { lineage, running };
    }
    throw new ConsensusError("etcdserver: no leader");
  }
}

/** A hook that takes a while. */
export function slowly(world: World): AdminHook {
  return async () => await sleep(world.time, world.random.between(1, 20));
}
