/** The members of clusters over the network: the client for what needs a cluster, plain HTTP for what a single member says. */
import { get } from "node:http";
import type { BootReport } from "../src/api/boot.ts";
import { AlarmType, Client, ClientError } from "../src/client/client.ts";
import type { Admin, AdminAccess, AdminPool, MemberState, RaisedAlarm } from "./admin.ts";
import { digestOf } from "./cluster/names.ts";

/** For a call with all its attempts. A pass asks all members at once, and one that is silent holds the others up for so long. */
const CALL_MS = 4_000;
const ATTEMPT_MS = 2_000;
/** A database of some gigabytes. */
const LONG_MS = 600_000;
const BOOT_MS = 2_000;
const BOOT_BYTES_MAX = 65_536;
/** Never written; read at each member to see whether it takes part. */
const CANARY = "quorate.io/canary";

interface Held {
  readonly digest: string;
  readonly admin: MemberAdmin;
}

/** Keeps one client for each cluster, until its certificates or password change. */
export class MemberAdmins implements AdminPool {
  readonly #held = new Map<string, Held>();

  reach(cluster: string, access: AdminAccess): Admin {
    const digest = digestOf([access.tls, access.rootPasswords]);
    const held = this.#held.get(cluster);
    if (held !== undefined && held.digest === digest) {
      held.admin.locate(access);
      return held.admin;
    }
    held?.admin.close();
    const admin = new MemberAdmin(access);
    this.#held.set(cluster, { digest, admin });
    return admin;
  }

  forget(cluster: string): void {
    this.#held.get(cluster)?.admin.close();
    this.#held.delete(cluster);
  }

  close(): void {
    for (const cluster of this.#held.keys()) this.forget(cluster);
  }
}

function hex(id: bigint): string {
  return id.toString(16);
}

function idOf(text: string): bigint {
  return BigInt(`0x${text}`);
}

export class MemberAdmin implements Admin {
  #access: AdminAccess;
  /** Null: nothing was asked yet, or since the password that was used is none any more. */
  #client: Promise<Client> | null = null;

  constructor(access: AdminAccess) {
    this.#access = access;
  }

  /** Members have other addresses now, or none: then whatever is asked is rejected. */
  locate(access: AdminAccess): void {
    this.#access = access;
    if (access.members.length === 0) this.close();
    else
      void this.#client
        ?.then((client) => client.setEndpoints(access.members.map((member) => member.client)))
        .catch(() => {});
  }

  close(): void {
    void this.#client?.then((client) => client.close()).catch(() => {});
    this.#client = null;
  }

  async members(): ReturnType<Admin["members"]> {
    const list = await this.#ask(({ cluster }) => cluster.list());
    return list.map(({ id, name, peerUrls, isLearner }) => ({
      id: hex(id),
      name,
      peerUrls,
      isLearner,
    }));
  }

  async addLearner(peerUrl: string): Promise<string> {
    const member = await this.#ask(({ cluster }) => cluster.add([peerUrl], { learner: true }));
    return hex(member.id);
  }

  async move(id: string, peerUrl: string): Promise<void> {
    await this.#ask(({ cluster }) => cluster.update(idOf(id), [peerUrl]));
  }

  async promote(id: string): Promise<boolean> {
    try {
      await this.#ask(({ cluster }) => cluster.promote(idOf(id)));
      return true;
    } catch (thrown) {
      if (thrown instanceof ClientError && thrown.is("learnerNotReady")) return false;
      if (thrown instanceof ClientError && thrown.is("memberNotLearner")) return true;
      throw thrown;
    }
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#ask(({ cluster }) => cluster.remove(idOf(id)));
    } catch (thrown) {
      if (!(thrown instanceof ClientError && thrown.is("memberNotFound"))) throw thrown;
    }
  }

  async moveLeader(from: string, targetId: string): Promise<void> {
    const endpoint = this.#endpoint(from);
    await this.#ask(({ maintenance }) => maintenance.moveLeader(idOf(targetId), { endpoint }));
  }

  async status(member: string): Promise<MemberState> {
    const endpoint = this.#endpoint(member);
    const found = await this.#ask(({ maintenance }) => maintenance.status({ endpoint }));
    const { header } = found;
    if (header === null) throw new ClientError("internal", "the status has no header");
    return {
      memberId: hex(header.memberId),
      clusterId: hex(header.clusterId),
      leader: found.leader === 0n ? null : hex(found.leader),
      isLearner: found.isLearner,
      version: found.version,
      raftTerm: found.raftTerm,
      raftIndex: found.raftIndex,
      appliedIndex: found.raftAppliedIndex,
      revision: header.revision,
      dbSize: found.dbSize,
      dbSizeInUse: found.dbSizeInUse,
      dbSizeQuota: found.dbSizeQuota,
      errors: found.errors,
    };
  }

  async readThrough(member: string): Promise<number> {
    const endpoint = this.#endpoint(member);
    return (await this.#ask(({ kv }) => kv.range(CANARY, { endpoint }))).revision;
  }

  async hashKv(member: string, revision: number): ReturnType<Admin["hashKv"]> {
    const options = { endpoint: this.#endpoint(member), revision, timeoutMs: LONG_MS };
    const found = await this.#ask(({ maintenance }) => maintenance.hashKv(options));
    const { hash, compactRevision, hashRevision } = found;
    return { hash, compactRevision, revision: hashRevision };
  }

  async alarms(): Promise<readonly RaisedAlarm[]> {
    const raised = await this.#ask(({ maintenance }) => maintenance.alarms());
    return raised.flatMap(({ memberId, alarm }): RaisedAlarm[] => {
      if (alarm === AlarmType.nospace) return [{ memberId: hex(memberId), alarm: "NOSPACE" }];
      return alarm === AlarmType.corrupt ? [{ memberId: hex(memberId), alarm: "CORRUPT" }] : [];
    });
  }

  async disarm({ memberId, alarm }: RaisedAlarm): Promise<void> {
    const type = alarm === "NOSPACE" ? AlarmType.nospace : AlarmType.corrupt;
    const raised = { memberId: idOf(memberId), alarm: type };
    await this.#ask(({ maintenance }) => maintenance.disarm(raised));
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#ask(({ kv }) => kv.compact(revision));
    } catch (thrown) {
      if (!(thrown instanceof ClientError && thrown.is("compacted"))) throw thrown;
    }
  }

  async defragment(member: string): Promise<void> {
    const options = { endpoint: this.#endpoint(member), timeoutMs: LONG_MS };
    await this.#ask(({ maintenance }) => maintenance.defragment(options));
  }

  async authEnabled(): Promise<boolean> {
    return (await this.#ask(({ auth }) => auth.status())).enabled;
  }

  async secureRoot(password: string): Promise<void> {
    await this.#ask(({ auth }) => secure(auth, password));
    // It may have been logged in with another one, which is none any more.
    this.close();
  }

  async boot(member: string): Promise<BootReport> {
    const address = this.#access.members.find(({ name }) => name === member);
    if (address === undefined) throw new ClientError("unavailable", `${member} has no address`);
    const text = await fetchText(new URL("/boot", address.probe));
    return JSON.parse(text) as BootReport;
  }

  #endpoint(member: string): string {
    const address = this.#access.members.find(({ name }) => name === member);
    if (address === undefined) throw new ClientError("unavailable", `${member} has no address`);
    return address.client;
  }

  /** With a password that is none any more, the next one who asks looks for another. */
  async #ask<T>(act: (client: Client) => Promise<T>): Promise<T> {
    const asked = (this.#client ??= this.#opening());
    try {
      return await act(await asked);
    } catch (thrown) {
      const isStale = thrown instanceof ClientError && thrown.is("authFailed");
      if (isStale && this.#client === asked) this.close();
      throw thrown;
    }
  }

  /** What could not be opened is not kept. */
  #opening(): Promise<Client> {
    const opening = openAsRoot(this.#access.rootPasswords, (password) => this.#build(password));
    opening.catch(() => {
      if (this.#client === opening) this.#client = null;
    });
    return opening;
  }

  #build(password: string | null): Client {
    const { tls, members } = this.#access;
    return new Client({
      endpoints: members.map(({ client }) => client),
      ...(tls === null ? {} : { tls }),
      ...(password === null ? {} : { user: { name: "root", password } }),
      timeoutMs: CALL_MS,
      attemptTimeoutMs: ATTEMPT_MS,
    });
  }
}

/**
 * A client that logs in with the one of these passwords of root that members take, or with none where there are none. Members are
 * asked only where there is a choice; rejects as they do where it is none of them.
 */
export async function openAsRoot(
  passwords: readonly string[],
  build: (password: string | null) => Client,
): Promise<Client> {
  for (const password of passwords.slice(0, -1)) {
    const client = build(password);
    try {
      await client.auth.status();
      return client;
    } catch (thrown) {
      client.close();
      if (!(thrown instanceof ClientError && thrown.is("authFailed"))) throw thrown;
    }
  }
  return build(passwords.at(-1) ?? null);
}

async function secure(auth: Client["auth"], password: string): Promise<void> {
  const isThere = (await auth.users()).includes("root");
  if (!isThere) await auth.addUser("root", password);
  if (!(await auth.roles()).includes("root")) await auth.addRole("root");
  if (!(await auth.rolesOf("root")).includes("root")) await auth.grantRole("root", "root");
  const { enabled } = await auth.status();
  // Last of all: whoever calls with the old password is nobody afterwards.
  if (isThere) await auth.changePassword("root", password);
  if (!enabled) await auth.enable();
}

function fetchText(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: BOOT_MS }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size > BOOT_BYTES_MAX) request.destroy(new Error("the boot report is too long"));
        else parts.push(part);
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(Buffer.concat(parts).toString("utf8"));
        else reject(new Error(`/boot answered ${response.statusCode ?? 0}`));
      });
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error(`${url.host} does not answer`)));
    request.on("error", reject);
  });
}
