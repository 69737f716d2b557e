/** One real member in this process, whose clock the test moves, with users that the tests of permissions share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PeerCertificate } from "node:tls";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { loadConfig } from "../../../../node/config.ts";
import type { MemberLog } from "../../../../node/log.ts";
import { LocalCalls, type Caller } from "../../../../node/rpc/local-call.ts";
import { HealthService } from "../../../../node/rpc/health.ts";
import { buildRouter } from "../../../../node/rpc/router.ts";
import { StreamWatchdog } from "../../../../node/rpc/stream-watchdog.ts";
import { serve, type Running } from "../../../../node/serve.ts";
import { PermissionType } from "../../../../src/auth/permission.ts";
import { Auth } from "../../../../src/api/gen/methods.ts";
import { permission } from "../../../../src/api/gen/auth.ts";
import {
  authRoleGrantPermissionRequest,
  authUserAddRequest,
} from "../../../../src/api/gen/auth-service.ts";
import type { Router } from "../../../../src/grpc/service.ts";
import type { MethodSpec } from "../../../../src/api/method.ts";
import { freePorts } from "../../../conformance/support/cluster.ts";
import { until } from "../../../conformance/support/tools.ts";

export const ROOT_PASSWORD = "root's own";

/** Users beside root, with the prefix of the keys that they may read and write; null: no role. */
export const USERS: Readonly<Record<string, string | null>> = {
  rita: "right/",
  walt: "wrong/",
  noah: null,
};

const silent: MemberLog = { debug() {}, info() {}, warn() {}, error() {}, flush() {}, dropped: 0 };
const NEVER: AbortSignal = new AbortController().signal;
export const JUST_ANYBODY: Caller = {
  header: () => undefined,
  remoteAddress: "192.0.2.1:5",
  certificate: null,
};

/** Who shows a certificate of this common name. */
export function certified(name: string): Caller {
  const certificate = { subject: { CN: name } } as PeerCertificate;
  return { ...JUST_ANYBODY, certificate };
}

export function bearer(token: string): Caller {
  return { ...JUST_ANYBODY, header: (name) => (name === "token" ? token : undefined) };
}

export class AuthMember {
  readonly running: Running;
  readonly endpoint: string;
  /** Through the router, without a socket: for callers with certificates. */
  readonly local: LocalCalls;
  readonly client: Client;
  readonly #router: Router;
  readonly #clock: { aheadMs: number };
  readonly #folder: string;

  /** Lone, with authentication off and no user. */
  static async start(flags: readonly string[] = [], log: MemberLog = silent): Promise<AuthMember> {
    const folder = mkdtempSync(join(tmpdir(), "quorate-auth-"));
    const [client = 0, peer = 0] = await freePorts(2);
    const urls = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`] as const;
    const config = loadConfig(
      [
        `--data-dir=${join(folder, "data")}`,
        `--listen-client-urls=${urls[0]}`,
        `--advertise-client-urls=${urls[0]}`,
        `--listen-peer-urls=${urls[1]}`,
        `--initial-advertise-peer-urls=${urls[1]}`,
        `--initial-cluster=default=${urls[1]}`,
        "--heartbeat-interval=50",
        "--election-timeout=500",
        "--bcrypt-cost=4",
        ...flags,
      ],
      {},
    );
    const clock = { aheadMs: 0 };
    const fatal = (error: unknown): never => {
      throw error;
    };
    const running = await serve({
      config: { ...config, clientCertAuth: true },
      logger: log,
      clock: { now: () => performance.now() + clock.aheadMs },
      onEnd: fatal,
      onFatal: fatal,
    });
    const member = new AuthMember(running, urls[0].replace("http://", ""), folder, clock);
    await until("the member leads", 10_000, () => running.member.isLeader());
    return member;
  }

  private constructor(
    running: Running,
    endpoint: string,
    folder: string,
    clock: { aheadMs: number },
  ) {
    this.running = running;
    this.endpoint = endpoint;
    this.#folder = folder;
    this.#clock = clock;
    const onError = (error: unknown): never => {
      throw error;
    };
    this.#router = buildRouter(running.member, new StreamWatchdog(), onError, new HealthService());
    this.local = new LocalCalls({ router: this.#router, observer: null, onError });
    this.client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** Whether this release has the method. */
  serves(path: string): boolean {
    return this.#router.has(path);
  }

  /** Time passes at once. */
  advance(milliseconds: number): void {
    this.#clock.aheadMs += milliseconds;
  }

  ask<Request, Response>(
    caller: Caller,
    method: MethodSpec<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return this.local.unary(caller, method, request, NEVER);
  }

  async token(name: string, password: string): Promise<string> {
    return (await this.ask(JUST_ANYBODY, Auth.authenticate, { name, password })).token;
  }

  async asRoot(): Promise<Caller> {
    return bearer(await this.token("root", ROOT_PASSWORD));
  }

  /** `USERS`, each with a role of the same name and the name as password, and root; then authentication is enabled. */
  async enableWithUsers(): Promise<void> {
    const ask: AuthMember["ask"] = (caller, method, request) => this.ask(caller, method, request);
    for (const [name, prefix] of Object.entries(USERS)) {
      await ask(JUST_ANYBODY, Auth.userAdd, authUserAddRequest({ name, password: name }));
      if (prefix === null) continue;
      await ask(JUST_ANYBODY, Auth.roleAdd, { name });
      await ask(JUST_ANYBODY, Auth.roleGrantPermission, onPrefix(name, prefix));
      await ask(JUST_ANYBODY, Auth.userGrantRole, { user: name, role: name });
    }
    const root = authUserAddRequest({ name: "root", password: ROOT_PASSWORD });
    await ask(JUST_ANYBODY, Auth.userAdd, root);
    await ask(JUST_ANYBODY, Auth.userGrantRole, { user: "root", role: "root" });
    await ask(JUST_ANYBODY, Auth.authEnable, {});
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.running.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Everything below `prefix`, whose last byte is "/". */
export function onPrefix(
  role: string,
  prefix: string,
): ReturnType<typeof authRoleGrantPermissionRequest> {
  const rangeEnd = Buffer.from(prefix.replace(/\/$/, "0"));
  const perm = permission({
    permType: PermissionType.readWrite,
    key: Buffer.from(prefix),
    rangeEnd,
  });
  return authRoleGrantPermissionRequest({ name: role, perm });
}

export function metadataOf(token: string | null): Metadata {
  const metadata = new Metadata();
  if (token !== null) metadata.set("token", token);
  return metadata;
}
