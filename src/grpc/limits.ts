import type { Limits } from "./service.ts";

/**
 * etcd's values where etcd has one: max-request-bytes 1.5 MiB plus its 512 KiB of overhead, max-concurrent-streams
 * 2^32 - 1, grpc-keepalive-min-time 5 s, -interval 2 h, -timeout 20 s.
 */
export const defaultLimits: Limits = {
  headerListBytesMax: 16_384,
  continuationFramesMax: 16,
  messageBytesMax: 1_572_864 + 524_288,
  concurrentStreamsMax: 0xffff_ffff,
  abusiveFramesPerSecondMax: 10_000,
  connectionQueueBytesMax: 67_108_864,
  handshakeTimeoutMs: 10_000,
  connectionsMax: 16_384,
  keepaliveMinTimeMs: 5_000,
  keepaliveIntervalMs: 7_200_000,
  keepaliveTimeoutMs: 20_000,
};

/** What a client may send on one stream before it hears from us; every message up to this needs no round trip. */
export const STREAM_WINDOW_BYTES = 4_194_304;
/** The same for a whole connection. Given back as it arrives: what is kept is bounded by ASSEMBLY_BYTES_MAX instead. */
export const CONNECTION_WINDOW_BYTES = 33_554_432;
/**
 * Messages that have arrived in part, per connection. Windows cannot bound them (a connection full of halves would wait for
 * ever), so the call that passes this fails with RESOURCE_EXHAUSTED.
 */
export const ASSEMBLY_BYTES_MAX = 67_108_864;
/** Bytes in the socket's own queue from which on nothing more is handed to it; streams wait in their own queues. */
export const SOCKET_QUEUE_BYTES = 1_048_576;
/** Bytes that wait on one connection from which on a service does better to make more of them later (`ServerCall.isCrowded`). */
export const CROWDED_BYTES = 33_554_432;
/**
 * Times `connectionQueueBytesMax`: more than this is not kept for a client that reads slowly either. Replies to requests
 * that came at once may be that much in one turn, long before a client could have read them.
 */
export const QUEUE_LEEWAY = 8;
/** Bytes of one turn from which on they leave without waiting for its end. */
export const EARLY_FLUSH_BYTES = 262_144;
/**
 * Partial messages and header lists of open calls, of all connections together. Beyond it calls fail as above.
 */
export const SERVER_HELD_BYTES_MAX = 268_435_456;
/** Open streams of one connection and of all: beyond them REFUSED_STREAM, which clients retry, whatever was advertised. */
export const CONNECTION_STREAMS_MAX = 65_536;
export const SERVER_STREAMS_MAX = 262_144;
