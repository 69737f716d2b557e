/**
 * A cluster of Kubernetes with members in it, modelled: StatefulSet controller, kubelets, volumes, and what the members agree on.
 * The members' decisions about tickets are the real ones (`node/boot/decide.ts`); the API server is test/operator/fake-api.ts.
 */
import type { BootFile, BootReport } from "../../../src/api/boot.ts";
import type { Prng } from "../../../src/base/prng.ts";
import { decideBoot } from "../../../node/boot/decide.ts";
import { PERSISTENT_VOLUME_CLAIM, POD, CONFIG_MAP } from "../../../operator/api/resources.ts";
import type { Claim, ConfigMap, Pod } from "../../../operator/cluster/objects.ts";
import { BOOT_ANNOTATION } from "../../../operator/cluster/names.ts";
import type { FakeApi } from "../fake-api.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { type Disk, Lineage, type Running, type Seat, emptyDisk, idOf } from "./consensus.ts";
import { clusterIdOf, identityOf } from "./identities.ts";
import { MountedTls, NO_TLS } from "./mounted-tls.ts";
import { failedStatus, quotaOf, runningStatus, versionOf } from "./pod-status.ts";
import { reaches } from "./reach.ts";
import { type Spoken, isAt, spokenBy, urlOf } from "./spoken.ts";
import { isMuted, leaveOnly } from "./soundness.ts";

export const NAMESPACE = "data";

const TICK_MS = 250;
/** How long a volume may show an old file where nothing hurries the kubelet. */
const STALE_FILE_MS = 60_000;
/** What a member's last line is where it cannot read its data. */
const DAMAGED =
  "quorate: the record at 4711 has a wrong checksum: start it with --corruption-repair to rebuild it from its peers";

/** A container that runs. */
export interface Process {
  readonly pod: string;
  readonly podUid: string;
  readonly claimUid: string;
  readonly url: string;
  /** When it is up, in milliseconds. */
  readonly upAt: number;
  /** Of its image. */
  readonly version: string;
  readonly quotaBytes: number;
  readonly spoken: Spoken;
  phase: BootReport["phase"];
  reason: string;
  /** What the volume shows. */
  file: BootFile;
  fileAt: number;
  annotation: string;
  /** Entries that it has applied at least: it was read from. */
  readAt: number;
}

export class World {
  readonly api: FakeApi;
  readonly time: VirtualTime;
  readonly random: Prng;
  readonly disks: Map<string, Disk> = new Map();
  readonly processes: Map<string, Process> = new Map();
  readonly lineages: Map<string, Lineage> = new Map();
  readonly cluster: string;
  /** Pods that nobody reaches, and that reach nobody. */
  readonly cut: Set<string> = new Set();
  /** Versions whose build does not start, with what it says last. */
  readonly broken: Map<string, string> = new Map();
  /** Versions whose members their peers refuse, with why. */
  readonly refused: Map<string, string> = new Map();
  /** Raised, as `NOSPACE id`; 0 names nobody. */
  readonly alarms: Set<string> = new Set();
  /** Members whose history differs, by id. */
  readonly odd: Set<string> = new Set();
  /** Of each member's database, in percent of the quota that the first member of all began with, by id; 1 unless given. */
  readonly sizes: Map<string, number> = new Map();
  /** Of that quota; 0 before. */
  percentBytes = 0;
  /** What was asked of members for their care, in order. */
  readonly care: string[] = [];
  /** Of root; null: the members ask nobody who they are. */
  rootPassword: string | null = null;
  readonly tls: MountedTls;
  /** Hears of a survivor that goes on alone, and what writes it has. */
  onForceNew: (writes: readonly number[]) => void = () => {};
  #ids = 0x1000;

  constructor(api: FakeApi, time: VirtualTime, random: Prng, cluster: string) {
    this.api = api;
    this.time = time;
    this.random = random;
    this.cluster = cluster;
    this.tls = new MountedTls(api, NAMESPACE, cluster);
  }

  start(): void {
    const tick = (): void => {
      this.#kubelets();
      this.#members();
      this.time.after(TICK_MS, tick);
    };
    tick();
  }

  /** Those of one lineage that run Raft. */
  running(lineage: Lineage): Running[] {
    const found: Running[] = [];
    for (const process of this.processes.values()) {
      const disk = this.disks.get(process.claimUid);
      if (disk === undefined || process.phase !== "Running" || disk.removed) continue;
      if (this.cut.has(process.pod) || this.refused.has(process.version)) continue;
      if (disk.identity?.clusterId.toString(16) !== lineage.clusterId) continue;
      found.push({ pod: process.pod, disk });
    }
    return found;
  }

  /** One cluster serves, all its members are voters, and each of them runs. */
  isWhole(replicas: number): boolean {
    const serving = [...this.lineages.values()].filter(({ leader }) => leader !== null);
    const [lineage] = serving;
    if (lineage === undefined || serving.length > 1) return false;
    const { seats } = lineage;
    if (seats.length !== replicas || seats.some(({ learner }) => learner)) return false;
    return this.running(lineage).length === replicas;
  }

  lineageOf(pod: string): Lineage | null {
    const process = this.processes.get(pod);
    const disk = process === undefined ? undefined : this.disks.get(process.claimUid);
    const id = disk?.identity?.clusterId.toString(16);
    return id === undefined ? null : (this.lineages.get(id) ?? null);
  }

  /** The container ends. */
  stop(pod: string): void {
    this.processes.delete(pod);
    this.tls.forget(pod);
  }

  newId(): string {
    return (++this.#ids).toString(16);
  }

  report(pod: string): BootReport | null {
    const process = this.processes.get(pod);
    if (process === undefined || this.time.now() < process.upAt || this.cut.has(pod)) return null;
    const disk = this.disks.get(process.claimUid) ?? emptyDisk();
    const lineage = this.lineageOf(pod);
    const { identity } = disk;
    const refusal = this.refused.get(process.version);
    return {
      phase: process.phase,
      reason: refusal ?? process.reason,
      ...(refusal === undefined ? {} : { refusal }),
      name: pod,
      version: process.version,
      memberId: identity === null ? null : idOf(disk),
      clusterId: identity?.clusterId.toString(16) ?? null,
      incarnation: identity?.fenceIncarnation ?? null,
      usedNonce: identity?.usedNonce ?? null,
      lastTerm: identity === null ? null : (lineage?.term ?? 1),
      lastIndex: identity === null ? null : disk.index,
      appliedIndex: identity === null ? null : disk.index,
      leader:
        process.phase === "Running" && refusal === undefined ? (lineage?.leader ?? null) : null,
      tls: process.spoken.hasCertificates ? this.tls.report(pod, this.time.now()) : NO_TLS,
    };
  }

  #kubelets(): void {
    const pods = this.api.store.all(POD) as Pod[];
    for (const [name, process] of this.processes) {
      const pod = pods.find(({ metadata }) => metadata.name === name);
      if (pod?.metadata.uid !== process.podUid) this.stop(name);
    }
    for (const pod of pods) this.#kubelet(pod);
    const claims = new Set(
      this.api.store.all(PERSISTENT_VOLUME_CLAIM).map(({ metadata }) => metadata.uid),
    );
    for (const uid of this.disks.keys()) if (!claims.has(uid)) this.disks.delete(uid);
  }

  #kubelet(pod: Pod): void {
    const { name, uid = "", deletionTimestamp } = pod.metadata;
    const ref = { namespace: NAMESPACE, name };
    if (deletionTimestamp !== undefined) {
      if (!this.random.chance(0.3)) return;
      this.stop(name);
      this.api.store.delete(POD, ref, { preconditions: { uid }, gracePeriodSeconds: 0 });
      return;
    }
    const says = this.#failureOf(pod);
    if (says !== null) {
      this.stop(name);
      return this.#setStatus(pod, failedStatus(pod, says));
    }
    const process = this.processes.get(name) ?? this.#launch(pod);
    if (process === null) return;
    this.#refresh(process, pod);
    const ready = this.time.now() >= process.upAt && this.#isReady(process);
    const running = this.time.now() >= process.upAt;
    this.#setStatus(pod, runningStatus(pod, running, ready, this.time.wall()));
  }

  /** What its container says last, again and again; null: it begins. */
  #failureOf(pod: Pod): string | null {
    const claim = this.#claimOf(pod.metadata.name);
    const disk = this.disks.get(claim?.metadata.uid ?? "");
    return disk?.isDamaged === true ? DAMAGED : (this.broken.get(versionOf(pod)) ?? null);
  }

  #claimOf(pod: string): Claim | null {
    const ref = { namespace: NAMESPACE, name: `data-${pod}` };
    return this.api.store.get(PERSISTENT_VOLUME_CLAIM, ref) as Claim | null;
  }

  #launch(pod: Pod): Process | null {
    const { name, uid = "" } = pod.metadata;
    const claim = this.#claimOf(name);
    if (claim === null || !this.random.chance(0.5)) return null;
    const spoken = spokenBy(pod);
    if (spoken.hasCertificates && !this.tls.mount(name, this.time.now())) return null;
    const claimUid = claim.metadata.uid ?? "";
    if (!this.disks.has(claimUid)) this.disks.set(claimUid, emptyDisk());
    const process: Process = {
      pod: name,
      podUid: uid,
      claimUid,
      url: urlOf(spoken, this.cluster, pod),
      upAt: this.time.now() + this.random.between(500, 4_000),
      version: versionOf(pod),
      quotaBytes: quotaOf(pod),
      spoken,
      phase: "Starting",
      reason: "",
      file: this.#bootFile(name),
      fileAt: this.time.now(),
      annotation: "",
      readAt: 0,
    };
    this.processes.set(name, process);
    this.percentBytes ||= process.quotaBytes / 100;
    return process;
  }

  #bootFile(name: string): BootFile {
    const ref = { namespace: NAMESPACE, name: `${this.cluster}-boot` };
    const map = this.api.store.get(CONFIG_MAP, ref) as ConfigMap | null;
    const text = map?.data?.[`${name}.json`];
    return text === undefined ? { ticket: null, fence: null } : (JSON.parse(text) as BootFile);
  }

  /** The volume follows the ConfigMap when the pod's annotations change, and else in its own time. */
  #refresh(process: Process, pod: Pod): void {
    const annotation = pod.metadata.annotations?.[BOOT_ANNOTATION] ?? "";
    const due = this.time.now() - process.fileAt >= STALE_FILE_MS;
    if (annotation === process.annotation && !due) return;
    if (!due && !this.random.chance(0.4)) return;
    process.annotation = annotation;
    process.file = this.#bootFile(process.pod);
    process.fileAt = this.time.now();
  }

  #isReady(process: Process): boolean {
    const lineage = this.lineageOf(process.pod);
    if (process.phase !== "Running" || lineage === null || lineage.leader === null) return false;
    if (this.cut.has(process.pod) || this.refused.has(process.version)) return false;
    const disk = this.disks.get(process.claimUid);
    const seat = lineage.seats.find(({ id }) => disk !== undefined && id === idOf(disk));
    return seat !== undefined && !seat.learner && !isMuted(this, seat.id);
  }

  #setStatus(pod: Pod, status: NonNullable<Pod["status"]> | null): void {
    if (status !== null)
      this.api.setStatus(POD, { namespace: NAMESPACE, name: pod.metadata.name }, status);
  }

  #members(): void {
    for (const process of this.processes.values()) {
      if (this.time.now() >= process.upAt) this.#decide(process);
    }
    for (const lineage of this.lineages.values()) {
      const running = this.running(lineage);
      lineage.elect(running);
      lineage.replicate(running);
      this.#announceNames(lineage, running);
    }
  }

  #decide(process: Process): void {
    const disk = this.disks.get(process.claimUid);
    if (disk === undefined) return;
    const decision = decideBoot(process.file, {
      identity: disk.identity,
      removed: disk.removed,
      foreign: null,
    });
    const set = (phase: BootReport["phase"], reason: string): void => {
      process.phase = phase;
      process.reason = reason;
    };
    switch (decision.kind) {
      case "await":
        return set("AwaitingTicket", decision.reason);
      case "fenced":
        return set("Fenced", decision.reason);
      case "start":
        return set("Running", "");
      case "bootstrap":
        return this.#seed(process, disk, decision.ticket.nonce, decision.ticket.initialCluster);
      case "join":
        return this.#join(process, disk, decision.ticket);
      case "forceNew":
        return this.#forceNew(process, disk, decision.ticket);
    }
  }

  /** Refused where a cluster answers at the other URLs. */
  #seed(process: Process, disk: Disk, nonce: string, initialCluster: string): void {
    const others = initialCluster.split(",").map((pair) => pair.split("=")[1]);
    for (const other of this.processes.values()) {
      const isThere = others.some((url) => reaches(process, other, url));
      if (other.pod !== process.pod && other.phase === "Running" && isThere) {
        process.phase = "AwaitingTicket";
        process.reason = "a cluster answers at its initialCluster";
        return;
      }
    }
    const clusterId = clusterIdOf(nonce);
    const id = this.newId();
    const seat: Seat = { id, url: process.url, learner: false, name: process.pod };
    this.lineages.set(clusterId, new Lineage(clusterId, seat, this.random.fork(clusterId)));
    disk.identity = identityOf(clusterId, id, 1, nonce);
    disk.index = 1;
    process.phase = "Running";
  }

  /** The place is asked of whoever answers; who has started once does not get it again. */
  #join(
    process: Process,
    disk: Disk,
    { nonce, clusterId, incarnation, initialCluster }: NonNullable<BootFile["ticket"]>,
  ): void {
    process.phase = "Starting";
    process.reason = "no place yet";
    const urls = initialCluster.split(",").map((pair) => pair.split("=")[1]);
    for (const other of this.processes.values()) {
      if (other.phase !== "Running" || !urls.some((url) => reaches(process, other, url))) continue;
      const lineage = this.lineageOf(other.pod);
      const told = this.disks.get(other.claimUid);
      if (lineage === null || told === undefined || lineage.clusterId !== clusterId) continue;
      // The ticket says by which URL it is named.
      const own = urls.filter((url) => isAt(url ?? "", process.pod));
      const seat = lineage.seatsAt(told.index).find(({ url }) => own.includes(url));
      if (seat === undefined) continue;
      if (seat.name !== "") {
        process.phase = "AwaitingTicket";
        process.reason = `member ${seat.id} has started before`;
        return;
      }
      disk.identity = identityOf(lineage.clusterId, seat.id, incarnation, nonce);
      disk.index = 0;
      process.phase = "Running";
      process.reason = "";
      return;
    }
  }

  /** The survivor goes on alone, as another cluster with the same past. */
  #forceNew(
    process: Process,
    disk: Disk,
    { nonce, incarnation }: NonNullable<BootFile["ticket"]>,
  ): void {
    const before = this.lineageOf(process.pod);
    const clusterId = clusterIdOf(nonce);
    const id = this.newId();
    const own = before?.seatsAt(disk.index).find((seat) => seat.id === idOf(disk));
    const seat: Seat = { id, url: own?.url ?? process.url, learner: false, name: process.pod };
    const lineage = new Lineage(clusterId, seat, this.random.fork(clusterId));
    lineage.entries.unshift(...(before?.entries.slice(0, disk.index) ?? []));
    this.lineages.set(clusterId, lineage);
    if (before !== null) before.isGivenUp = true;
    leaveOnly(this, idOf(disk), id);
    this.onForceNew(lineage.writes);
    disk.identity = identityOf(clusterId, id, incarnation, nonce);
    disk.index = lineage.entries.length;
    process.phase = "Running";
  }

  /** Who runs and is named tells its name, by a proposal. */
  #announceNames(lineage: Lineage, running: readonly Running[]): void {
    for (const { disk, pod } of running) {
      const seat = lineage.seats.find(({ id }) => id === idOf(disk));
      if (seat === undefined || seat.name !== "" || disk.index < 1) continue;
      const seats = lineage.seats.map((each) => (each === seat ? { ...each, name: pod } : each));
      try {
        lineage.propose({ kind: "seats", seats }, running);
      } catch {
        // It is told again at the next tick.
      }
    }
  }
}
