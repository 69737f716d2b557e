/** A member with its listeners: what one process runs. */
import { GrpcServer } from "../src/grpc/server.ts";
import { defaultLimits } from "../src/grpc/limits.ts";
import { dropGatherBuffers } from "../src/grpc/message-reader.ts";
import { dropFreeSegments } from "../src/grpc/output.ts";
import type { HttpHandler, Limits } from "../src/grpc/service.ts";
import { NO_MEMBER } from "../src/raft/types.ts";
import type { Clock } from "../src/base/ports.ts";
import { AssertionError } from "../src/base/assert.ts";
import { Boot, type BootOptions, type BootStart } from "./boot/boot.ts";
import { BootStatus } from "./boot/boot-status.ts";
import { ProbeServer } from "./boot/probe-server.ts";
import { CallStats } from "./call-stats.ts";
import { monotonicClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { handOver } from "./handover.ts";
import type { Exposition } from "./exposition.ts";
import { findingOf } from "./integrity/damage.ts";
import { Access } from "./gateway/access.ts";
import { Gateway } from "./gateway/gateway.ts";
import { buildHttp, buildHttpStreams } from "./http.ts";
import { listenAll } from "./listen.ts";
import type { MemberLog } from "./log.ts";
import { Logins } from "./logins.ts";
import { Member } from "./member.ts";
import { KEEPER_TICK_MS, MemoryKeeper, processMemory } from "./memory-keeper.ts";
import { MemberStats } from "./metrics/stats.ts";
import { notifyReady } from "./notify.ts";
import { openMember } from "./open.ts";
import { type PeerConnector, peerConnector, type PeerDialer, peerDialer } from "./peer/dialer.ts";
import { buildPeerRouter, type ReceivedBytes } from "./peer/server.ts";
import { HealthService } from "./rpc/health.ts";
import { LocalCalls } from "./rpc/local-call.ts";
import { buildRouter } from "./rpc/router.ts";
import { StreamWatchdog } from "./rpc/stream-watchdog.ts";
import { toPlainUrl } from "./reader.ts";
import { SlowRequests } from "./slow-requests.ts";
import { type MemberTls, openTls } from "./tls/open.ts";

/** Messages of the peer protocol carry whole turns. */
const PEER_MESSAGE_BYTES_MAX = 512 * 1024 * 1024;
const REQUEST_OVERHEAD_BYTES = 512 * 1024;
const DRAIN_MS = 2_000;
/** Entries that an idle member keeps beside its log: a follower that lags behind then is served from the files. */
const IDLE_LOG_CACHE_BYTES = 256 * 1024;

export interface Running {
  readonly member: Member;
  /** Drains, hands over and closes; resolves when the process may end. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  readonly config: Config;
  readonly logger: MemberLog;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** The member is no part of the cluster any more. */
  readonly onEnd: (reason: string) => void;
  /** The disk, the data or our own code failed: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** What the parts that are made first ask of those made last. */
interface Late {
  member: Member | null;
  clients: GrpcServer | null;
}

export async function serve(options: ServeOptions): Promise<Running> {
  const { config, logger } = options;
  for (const warning of config.warnings) logger.warn({}, warning);
  const tls = await openTls(config, logger);
  const status = new BootStatus(config.name, tls);
  const probes = new ProbeServer(config, status, clientLimits(config), errorHandler(options));
  await probes.listen(config, tls.client);
  const dial = peerDialer(tls.peer);
  const connect = peerConnector(tls.peer);
  const boot = openBoot(options, { dial, status, probes });
  const open = (start: BootStart): Promise<OpenMember> =>
    openParts(options, { ...start, dial, connect, status }, boot);
  const parts = await (boot === null ? open(startOf(config)) : boot.open(open));
  const { member } = parts;
  const stopMember = await takePart(options, { ...parts, tls, status, probes });
  let stopped: Promise<void> | null = null;
  const stop = (kindly: boolean): Promise<void> => (stopped ??= stopMember(kindly));
  if (boot === null) status.run(member);
  else boot.run(member, () => stop(false));
  return {
    member,
    stop: async () => {
      boot?.close();
      await stop(true);
      await probes.close();
      tls.close();
    },
  };
}

function openBoot(
  { config, logger, onEnd }: ServeOptions,
  parts: Pick<BootOptions, "dial" | "status" | "probes">,
): Boot | null {
  const { bootDir } = config;
  return bootDir === null
    ? null
    : new Boot({ ...parts, config, directory: bootDir, logger, onEnd });
}

/** Without an operator: as the flags say. */
function startOf({ forceNewCluster }: Config): BootStart {
  return { birth: null, force: forceNewCluster ? { nonce: null, fenceIncarnation: null } : null };
}

interface OpenMember {
  readonly member: Member;
  readonly clock: Clock;
  readonly late: Late;
}

/** The member on its disk, before anybody can reach it. */
async function openParts(
  options: ServeOptions,
  parts: BootStart & { dial: PeerDialer; connect: PeerConnector; status: BootStatus },
  boot: Boot | null,
): Promise<OpenMember> {
  const { config, logger, clock = monotonicClock, onFatal } = options;
  const stats = new MemberStats();
  const { dial, connect, birth, force, status } = parts;
  const late: Late = { member: null, clients: null };
  const logins = new Logins(config);
  const opened = await openMember({
    config,
    logger,
    dial,
    birth,
    force,
    onStage: (stage) => status.set("Starting", stage),
    clock,
    stats,
    onLogFull: (full) => late.member?.setLogFull(full),
    onFatal,
  });
  const member = new Member({
    config,
    opened,
    logins,
    clock,
    logger,
    stats,
    dial,
    connect,
    flushClients: () => late.clients?.flush(),
    onEnd: boot === null ? options.onEnd : (reason) => boot.onRemoved(reason),
    onFatal,
  });
  late.member = member;
  return { member, clock, late };
}

/** Listens, and begins to take part. The answer stops it all, `kindly` with a hand-over and time for calls under way. */
async function takePart(
  options: ServeOptions,
  parts: OpenMember & { tls: MemberTls; status: BootStatus; probes: ProbeServer },
): Promise<(kindly: boolean) => Promise<void>> {
  const { config, logger } = options;
  const { member, clock, late, tls, probes } = parts;
  const received: ReceivedBytes = new Map();
  const peers = buildPeerServer(options, member, received);
  const watchdog = new StreamWatchdog();
  const slow = new SlowRequests({
    logger,
    timeline: member.loop.timeline,
    now: () => clock.now(),
    revision: () => member.machine.store.revision,
  });
  const health = new HealthService();
  const served = { options, member, status: parts.status, watchdog, slow, health };
  const { clients, plain, http } = buildListeners(served, async (calls, server) => {
    // Loaded at the first scrape: a start does not wait for it.
    const { buildMetrics } = await import("./metrics/build.ts");
    return buildMetrics({ member, calls, clients: server, received, tls, slow });
  });
  late.clients = clients;
  await listenAll(peers, "listen-peer-urls", config.listenPeerUrls, tls.peer);
  await member.integrity.checkAtStart();
  member.start();
  await listenAll(clients, "listen-client-urls", config.listenClientUrls, tls.client);
  await listenAll(plain, "listen-client-http-urls", config.listenClientHttpUrls, tls.client);
  probes.use(http);
  const poll = setInterval(() => {
    watchdog.poll(member.leader() !== NO_MEMBER);
    slow.tick();
  }, config.electionMs);
  const keeping = keepMemory(member);
  announceWhenReady(member, logger, health);
  return async (kindly) => {
    clearInterval(poll);
    clearInterval(keeping);
    if (kindly) await handOver(member);
    await Promise.all([clients.drain(kindly ? DRAIN_MS : 0), plain.close()]);
    parts.status.freeze("the process ends");
    probes.use(null);
    await member.stop();
    await peers.close();
  };
}

function buildPeerServer(
  options: ServeOptions,
  member: Member,
  received: ReceivedBytes,
): GrpcServer {
  return new GrpcServer({
    router: buildPeerRouter(member, member.snapshots, member.integrity, received),
    http: null,
    limits: { ...defaultLimits, messageBytesMax: PEER_MESSAGE_BYTES_MAX, keepaliveMinTimeMs: 0 },
    observer: null,
    onError: errorHandler(options),
  });
}

interface ClientListeners {
  readonly clients: GrpcServer;
  readonly plain: GrpcServer;
  /** Health and metrics, without the gateway. */
  readonly http: HttpHandler;
}

/** The servers for clients: gRPC (with HTTP on the same port, unless that has ports of its own), and HTTP alone. */
function buildListeners(
  parts: {
    readonly options: ServeOptions;
    readonly member: Member;
    readonly status: BootStatus;
    readonly watchdog: StreamWatchdog;
    readonly slow: SlowRequests;
    readonly health: HealthService;
  },
  metrics: (calls: CallStats, clients: GrpcServer) => Promise<Exposition>,
): ClientListeners {
  const { options, member, status, watchdog, slow, health } = parts;
  const { config } = options;
  const onError = errorHandler(options);
  const limits = clientLimits(config);
  const router = buildRouter(member, watchdog, onError, health);
  const observer = new CallStats(
    router,
    config.extensiveMetrics,
    config.warnRequestMs,
    (path, status, ms, call) => slow.onSlow(path, status, ms, call),
  );
  const access = new Access(
    config,
    () => config.clientCertAuth && config.gateway && member.machine.auth.enabled,
  );
  const gateway = new Gateway({
    local: new LocalCalls({ router, observer, onError }),
    messageBytesMax: limits.messageBytesMax,
  });
  const streams = config.gateway ? buildHttpStreams(access, gateway, limits.messageBytesMax) : null;
  let http: HttpHandler | null = null;
  const shared = config.listenClientHttpUrls.length === 0;
  const answer: HttpHandler = (request, respond) => http?.(request, respond);
  const clients = new GrpcServer({
    router,
    http: shared ? answer : null,
    streams: shared ? streams : null,
    limits,
    observer,
    onError,
  });
  let registry: Promise<Exposition> | null = null;
  http = buildHttp(member, status, access, () => (registry ??= metrics(observer, clients)));
  const alone = { router: new Map(), http, limits, observer: null, onError };
  return { clients, plain: new GrpcServer({ ...alone, streams }), http };
}

function clientLimits(config: Config): Limits {
  return {
    ...defaultLimits,
    messageBytesMax: config.maxRequestBytes + REQUEST_OVERHEAD_BYTES,
    concurrentStreamsMax: config.maxConcurrentStreams,
    keepaliveMinTimeMs: config.keepaliveMinTimeMs,
    keepaliveIntervalMs: config.keepaliveIntervalMs,
    keepaliveTimeoutMs: config.keepaliveTimeoutMs,
  };
}

/** A broken invariant ends the process wherever it shows; anything else of a handler is logged, and its call failed. */
function errorHandler(options: ServeOptions): (error: unknown, where: string) => void {
  return (error, where) => {
    if (error instanceof AssertionError || findingOf(error) !== null) options.onFatal(error);
    else options.logger.error({ where, reason: String(error) }, "a request failed unexpectedly");
  };
}

function keepMemory(member: Member): NodeJS.Timeout | undefined {
  const forget = (): void => {
    member.trimLogCache(IDLE_LOG_CACHE_BYTES);
    dropFreeSegments();
    dropGatherBuffers();
  };
  const memory = processMemory(forget, () => member.machine.appliedIndex);
  if (memory === null) return undefined;
  const keeper = new MemoryKeeper(memory, member.config.electionMs);
  return setInterval(() => keeper.tick(), KEEPER_TICK_MS);
}

/** Serving begins with the first linearizable read, as etcd has it. */
function announceWhenReady(member: Member, logger: MemberLog, health: HealthService): void {
  member.loop.linearize({
    onReadable: () => {
      logger.info(
        { urls: member.config.listenClientUrls.map(toPlainUrl) },
        "ready to serve client requests",
      );
      health.setServing();
      notifyReady(logger);
    },
    onReadFailure: (failure) => {
      if (failure !== "stopped") announceWhenReady(member, logger, health);
    },
  });
}
