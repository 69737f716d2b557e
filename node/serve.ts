/** A member with its listeners: what one process runs. */
import { GrpcServer } from "../src/grpc/server.ts";
import { defaultLimits } from "../src/grpc/limits.ts";
import type { Limits } from "../src/grpc/service.ts";
import { AssertionError } from "../src/base/assert.ts";
import { CallStats } from "./call-stats.ts";
import { monotonicClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { exponentialBounds, HandHistogram } from "./histogram.ts";
import { buildHttp } from "./http.ts";
import type { MemberLog } from "./log.ts";
import { Member } from "./member.ts";
import { buildMetrics } from "./metrics.ts";
import { notifyReady } from "./notify.ts";
import { openMember } from "./open.ts";
import { buildPeerRouter, type ReceivedBytes } from "./peer/server.ts";
import { buildRouter } from "./rpc/router.ts";
import { StreamWatchdog } from "./rpc/stream-watchdog.ts";

/** Messages of the peer protocol carry whole turns. */
const PEER_MESSAGE_BYTES_MAX = 512 * 1024 * 1024;
const REQUEST_OVERHEAD_BYTES = 512 * 1024;
const DRAIN_MS = 2_000;

export interface Running {
  readonly member: Member;
  /** Drains, hands over and closes; resolves when the process may end. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  readonly config: Config;
  readonly logger: MemberLog;
  /** The member is no part of the cluster any more. */
  readonly onEnd: (reason: string) => void;
  /** The disk, the data or our own code failed: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

export async function serve(options: ServeOptions): Promise<Running> {
  const { config, logger } = options;
  for (const warning of config.warnings) logger.warn({}, warning);
  const walWrites = new HandHistogram(exponentialBounds(0.001, 2, 14));
  const commits = new HandHistogram(exponentialBounds(0.001, 2, 14));
  const loopDelay = new HandHistogram(exponentialBounds(0.001, 2, 14));
  const clock = monotonicClock;
  let member: Member | null = null;
  const opened = await openMember({
    config,
    logger,
    clock,
    walWrites,
    commits,
    onLogFull: (full) => member?.setLogFull(full),
    onFatal: options.onFatal,
  });
  let clients: GrpcServer | null = null;
  member = new Member({
    config,
    opened,
    clock,
    logger,
    loopDelay,
    flushClients: () => clients?.flush(),
    onEnd: options.onEnd,
    onFatal: options.onFatal,
  });
  const onError = errorHandler(options);
  const received: ReceivedBytes = new Map();
  const peers = new GrpcServer({
    router: buildPeerRouter(member, member.snapshots, received),
    http: null,
    limits: { ...defaultLimits, messageBytesMax: PEER_MESSAGE_BYTES_MAX, keepaliveMinTimeMs: 0 },
    observer: null,
    onError,
  });
  const watchdog = new StreamWatchdog();
  const router = buildRouter(member, watchdog);
  const calls = new CallStats(router, config.extensiveMetrics, config.warnRequestMs, (path, ms) =>
    logger.warn({ path, ms: Math.round(ms) }, "a request took long"),
  );
  const limits = clientLimits(config);
  const deferredHttp: { handler: ReturnType<typeof buildHttp> | null } = { handler: null };
  clients = new GrpcServer({
    router,
    http:
      config.listenClientHttpUrls.length > 0
        ? null
        : (request, respond) => deferredHttp.handler?.(request, respond),
    limits,
    observer: calls,
    onError,
  });
  const registry = buildMetrics({
    member,
    calls,
    clients,
    received,
    walWrites,
    commits,
    loopDelay,
  });
  const http = buildHttp(member, registry);
  deferredHttp.handler = http;
  const plain = new GrpcServer({ router: new Map(), http, limits, observer: null, onError });
  await listenAll(peers, config.listenPeerUrls);
  member.start();
  await listenAll(clients, config.listenClientUrls);
  await listenAll(plain, [...config.listenClientHttpUrls, ...config.listenMetricsUrls]);
  const poll = setInterval(() => watchdog.poll(member.leader() !== 0n), config.electionMs);
  announceWhenReady(member, logger);
  return {
    member,
    stop: async () => {
      clearInterval(poll);
      await member.handOver();
      await Promise.all([clients.drain(DRAIN_MS), plain.close()]);
      await member.stop();
      await peers.close();
    },
  };
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

async function listenAll(server: GrpcServer, urls: readonly URL[]): Promise<void> {
  for (const url of urls) {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    await server.listen({ host, port: Number(url.port === "" ? 80 : url.port) }, null);
  }
}

/** A broken invariant ends the process wherever it shows; anything else of a handler is logged, and its call failed. */
function errorHandler(options: ServeOptions): (error: unknown, where: string) => void {
  return (error, where) => {
    if (error instanceof AssertionError) options.onFatal(error);
    else options.logger.error({ where, reason: String(error) }, "a request failed unexpectedly");
  };
}

/** Serving begins with the first linearizable read, as etcd has it. */
function announceWhenReady(member: Member, logger: MemberLog): void {
  member.loop.linearize({
    onReadable: () => {
      logger.info(
        { urls: member.config.listenClientUrls.map((url) => url.host) },
        "ready to serve client requests",
      );
      notifyReady(logger);
    },
    onReadFailure: (failure) => {
      if (failure !== "stopped") announceWhenReady(member, logger);
    },
  });
}
