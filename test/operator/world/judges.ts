/**
 * What must never happen, whoever does it and whenever: the invariants of operator/DESIGN.md, judged on what is, not on what the
 * operator believed. Each breach is a sentence.
 */
import type { BootFile } from "../../../src/api/boot.ts";
import type { RaisedAlarm } from "../../../operator/admin.ts";
import type { Wait } from "../../../operator/cluster/action.ts";
import { quorumOf } from "../../../operator/cluster/view.ts";
import { type Disk, type Lineage, type Seat, emptyDisk, idOf, writesOf } from "./consensus.ts";
import { Holds } from "./holds.ts";
import { JudgeVersions } from "./judge-versions.ts";
import { refusesWrites } from "./soundness.ts";
import { parted } from "./reach.ts";
import { isAt } from "./spoken.ts";
import type { World } from "./world.ts";
import { Withdrawals } from "./withdrawals.ts";

/** Entries that one who takes part may be behind: it was away for a while, and has them in a second. */
const LAG_MAX = 1_000;
/** Of a quota: beyond it NOSPACE would be raised again at once. */
const FULL = 0.9;

/** A voter, or its pod, is taken away. */
interface Loss {
  readonly what: string;
  readonly lineage: Lineage;
  readonly seat: Seat;
  /** Voters that there are fewer of afterwards. */
  readonly gone: number;
  readonly since: number;
}

export class Judges {
  readonly breaches: string[] = [];
  readonly #world: World;
  /** When each member was last seen to take part, by id. */
  readonly #wellAt = new Map<string, number>();
  /** Of bootstrap tickets, by incarnation. */
  readonly #seeds = new Map<number, Set<string>>();
  acknowledged: readonly number[] = [];
  /** A person has deleted the cluster, with its data. */
  isGivenUp = false;

  readonly #holds: Holds;
  readonly withdrawals: Withdrawals;
  readonly #versions: JudgeVersions;

  constructor(world: World) {
    this.#world = world;
    this.#holds = new Holds(world);
    this.withdrawals = new Withdrawals(world);
    this.#versions = new JudgeVersions(world);
  }

  /** Called at every moment at which somebody may have become well or ill. */
  look(): void {
    const now = this.#world.time.now();
    this.#holds.look(now);
    for (const pod of this.withdrawals.look(now)) this.breach("build", pod);
    for (const what of this.#versions.look(now)) this.#breachOnce("versions", what);
    for (const refusal of this.#world.tls.strangers((pod) => this.#serves(pod)))
      this.#breachOnce("TLS", refusal);
    for (const lineage of this.#world.lineages.values()) {
      for (const what of parted(this.#world, lineage)) this.#breachOnce("transport", what);
      const learners = lineage.seats.filter(({ learner }) => learner);
      if (learners.length > 1) this.breach("I1", `${learners.length} learners at one time`);
      for (const { disk } of this.#world.running(lineage)) {
        const isSound = !this.#world.odd.has(idOf(disk));
        const isNear = disk.index + LAG_MAX >= lineage.entries.length;
        if (lineage.leader !== null && isNear && isSound) this.#wellAt.set(idOf(disk), now);
      }
    }
  }

  /** A write goes to whoever leads; an acknowledged one is remembered. */
  write(id: number): void {
    if (refusesWrites(this.#world)) return;
    for (const lineage of this.#world.lineages.values()) {
      try {
        lineage.propose({ kind: "write", id }, this.#world.running(lineage));
        this.acknowledged = [...this.acknowledged, id];
      } catch {
        // No quorum: nothing was promised.
      }
    }
  }

  /** A person gave up what came after these. */
  goBack(writes: readonly number[]): void {
    const had = new Set(this.acknowledged);
    this.acknowledged = writes.filter((id) => had.has(id));
  }

  /** Another cluster begins under the name: whether there are data is asked of the disks. */
  startAnew(): void {
    this.#seeds.clear();
  }

  /** A Job writes on this disk. */
  onRestore(pod: string): void {
    if (this.#world.processes.size > 0)
      this.breach("I5", `a restore wrote on the disk of ${pod} while members run`);
  }

  /** `since`: when the pass began that led to it. Who was well then, or later, counts as well. */
  onRemove(lineage: Lineage, id: string, since: number): void {
    this.look();
    const seat = lineage.seats.find((each) => each.id === id);
    if (seat === undefined || seat.learner) return;
    const isWell = this.#isWellNow(lineage, seat.name);
    const held = isWell ? this.#holds.ofRemoval(seat, since) : null;
    if (held !== null) this.breach("I9", `${seat.name} was removed while ${held}`);
    this.#mayLose("I2", { what: `the removal of ${seat.name}`, lineage, seat, gone: 1, since });
  }

  /** The operator takes a pod down. One that does not take part takes nothing with it. */
  onDeletePod(pod: string, since: number): void {
    this.look();
    const lineage = this.#world.lineageOf(pod);
    const seat = lineage?.seats.find(({ url }) => isAt(url, pod));
    if (lineage === null || seat === undefined || seat.learner || !this.#isWellNow(lineage, pod))
      return;
    const held = this.#holds.ofRoll(seat, since);
    if (held !== null) this.breach("I9", `the pod ${pod} was deleted while ${held}`);
    if (votersOf(lineage).length > 1)
      this.#mayLose("I9", {
        what: `the deletion of the pod ${pod}`,
        lineage,
        seat,
        gone: 0,
        since,
      });
  }

  /** It stops serving meanwhile. */
  onDefragment(pod: string, since: number): void {
    this.look();
    const lineage = this.#world.lineageOf(pod);
    const seat = lineage?.seats.find(({ url }) => isAt(url, pod));
    // Of two voters none can be spared, and there is no other way.
    if (lineage === null || seat === undefined || votersOf(lineage).length < 3) return;
    this.#mayLose("I9", { what: `the defragmentation of ${pod}`, lineage, seat, gone: 0, since });
  }

  onDisarm({ alarm }: RaisedAlarm): void {
    const { processes, disks, sizes, percentBytes } = this.#world;
    if (alarm !== "NOSPACE") return;
    for (const { pod, claimUid, quotaBytes } of processes.values()) {
      const percent = sizes.get(idOf(disks.get(claimUid) ?? emptyDisk())) ?? 1;
      if (percent * percentBytes >= quotaBytes * FULL)
        this.breach("space", `NOSPACE was ended while the database of ${pod} is full`);
    }
  }

  #mayLose(rule: string, { what, lineage, seat, gone, since }: Loss): void {
    const voters = votersOf(lineage);
    const others = voters.filter(({ id }) => id !== seat.id);
    const well = others.filter(({ id }) => (this.#wellAt.get(id) ?? -1) >= since);
    const needed = quorumOf(voters.length - gone);
    if (well.length < needed) {
      const left = `${well.length} of ${voters.length} voters`;
      this.breach(rule, `${what} left ${left}, ${needed} are needed`);
    }
  }

  #isWellNow(lineage: Lineage, pod: string): boolean {
    return lineage.leader !== null && this.#world.running(lineage).some((each) => each.pod === pod);
  }

  /** What a person gave up, or what is nobody's only copy: all that was acknowledged is on another disk that can be read. */
  #onLoseCopy(claim: string, uid: string): void {
    const { disks, lineages } = this.#world;
    const writesOn = (disk: Disk): ReadonlySet<number> => {
      const lineage = lineages.get(disk.identity?.clusterId.toString(16) ?? "");
      const isCopy = lineage !== undefined && !disk.isDamaged && !this.#world.odd.has(idOf(disk));
      return new Set(isCopy ? writesOf(lineage.entries.slice(0, disk.index)) : []);
    };
    const disk = disks.get(uid);
    const lineage = lineages.get(disk?.identity?.clusterId.toString(16) ?? "");
    if (disk === undefined || lineage?.isGivenUp !== false) return;
    const held = writesOn(disk);
    const others = [...disks].flatMap(([other, each]) => (other === uid ? [] : [writesOn(each)]));
    const lost = this.acknowledged.filter(
      (write) => held.has(write) && !others.some((writes) => writes.has(write)),
    );
    if (lost.length > 0)
      this.breach("only copy", `${lost.length} acknowledged writes went with the claim ${claim}`);
  }

  /** I5: who lives there keeps its disk, unless a person gave up the cluster that it is of, learners that run on included. */
  onDeleteClaim(claim: string, uid: string | undefined): void {
    const pod = claim.slice("data-".length);
    if (uid !== undefined && !this.isGivenUp) this.#onLoseCopy(claim, uid);
    const disk = uid === undefined ? undefined : this.#world.disks.get(uid);
    for (const lineage of this.#world.lineages.values()) {
      if (lineage.isGivenUp) continue;
      const seat = lineage.seats.find(({ url }) => isAt(url, pod));
      if (seat === undefined || this.#world.running(lineage).length === 0) continue;
      if (disk === undefined || disk.identity === null || idOf(disk) === seat.id)
        this.breach("I5", `the claim ${claim} was deleted while member ${seat.id} lives there`);
    }
  }

  /** I6: one bootstrap ticket in an incarnation, and only while every disk is empty. */
  onBootFiles(files: readonly BootFile[]): void {
    for (const { ticket } of files) {
      if (ticket?.mode !== "bootstrap") continue;
      const known = this.#seeds.get(ticket.incarnation) ?? new Set();
      if (known.has(ticket.nonce)) continue;
      known.add(ticket.nonce);
      this.#seeds.set(ticket.incarnation, known);
      if (known.size > 1)
        this.breach("I6", `a second bootstrap ticket in incarnation ${ticket.incarnation}`);
      const full = [...this.#world.disks.values()].filter(({ identity }) => identity !== null);
      if (full.length > 0) this.breach("I6", "a bootstrap ticket while a disk holds data");
    }
  }

  /** I10. */
  onWait({ reason, message }: Wait): void {
    if (!/^[A-Z][A-Za-z]+$/.test(reason) || message.length < 10)
      this.breach("I10", `a wait that says nothing: ${reason} ${message}`);
  }

  /** Every acknowledged write is in the log of the cluster that serves now. */
  sum(): void {
    const serving = [...this.#world.lineages.values()].filter(
      (lineage) => lineage.leader !== null && this.#world.running(lineage).length > 0,
    );
    if (serving.length !== 1) this.breach("one cluster", `${serving.length} clusters serve`);
    const [lineage] = serving;
    if (lineage === undefined) return;
    const lost = this.acknowledged.filter((id) => !lineage.has(id));
    if (lost.length > 0)
      this.breach(
        "no loss",
        `${lost.length} of ${this.acknowledged.length} acknowledged writes are gone`,
      );
  }

  /** Who idles meets nobody yet. */
  #serves(pod: string): boolean {
    return this.#world.processes.get(pod)?.phase === "Running";
  }

  #breachOnce(rule: string, what: string): void {
    if (!this.breaches.includes(`${rule}: ${what}`)) this.breach(rule, what);
  }

  breach(rule: string, what: string): void {
    this.breaches.push(`${rule}: ${what}`);
  }
}

function votersOf({ seats }: Lineage): readonly Seat[] {
  return seats.filter(({ learner }) => !learner);
}
