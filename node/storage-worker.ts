/**
 * The log's thread: writes to descriptors opened O_DSYNC, one request at a time, and nothing else. It has a thread of its
 * own because a write queued behind others in libuv's pool waits for all of them.
 */
import { writeSync } from "node:fs";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";

/** Slots of the shared Int32Array by which the loop and the thread talk. */
export const REQUEST = 0;
export const DONE = 1;
export const FD = 2;
export const SIZE = 3;
/** Offset in the buffer of the first byte to be written. */
export const START = 4;
/** Number of the buffer; a new one is posted as a message before the first request that names it. */
export const BUFFER = 5;
/** 0, or what the system answered, as a negative number. */
export const ERRNO = 6;
/** Two float64 begin at this byte: */
export const FLOATS_BYTE = 32;
/** the offset in the file, */
export const OFFSET = 0;
/** and the milliseconds that the write took, without the way here and back. */
export const TOOK_MS = 1;
export const CONTROL_SIZE = 48;
/** In FD: end the thread. */
export const STOP = -1;

export interface StorageWorkerData {
  readonly logControl: SharedArrayBuffer;
  /** How many times to look for the next request before going to sleep. */
  readonly spins: number;
}

export interface BufferMessage {
  readonly number: number;
  /** The buffer that held this role (0 or 1) before is void. */
  readonly role: 0 | 1;
  readonly memory: SharedArrayBuffer;
}

interface SystemError extends Error {
  readonly errno?: number;
}

/** What writeSync throws without an errno is a bug of ours; EIO ends the process as well. */
const EIO = -5;

function serve(control: Int32Array, floats: Float64Array, spins: number): void {
  // What its start left would stay for good: this thread makes no garbage that would have it collected.
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  let seen = 0;
  const numbers: [number, number] = [-1, -1];
  const buffers: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  for (;;) {
    for (let i = 0; i < spins && Atomics.load(control, REQUEST) === seen; i++);
    Atomics.wait(control, REQUEST, seen);
    const request = Atomics.load(control, REQUEST);
    if (request === seen) continue;
    seen = request;
    const fd = control[FD] ?? STOP;
    if (fd === STOP) return;
    const wanted = control[BUFFER] ?? -1;
    while (numbers[0] !== wanted && numbers[1] !== wanted) {
      const posted = receive();
      if (posted === null) break;
      buffers[posted.role] = new Uint8Array(posted.memory);
      numbers[posted.role] = posted.number;
    }
    const buffer = buffers[numbers[0] === wanted ? 0 : 1];
    const startedMs = performance.now();
    control[ERRNO] = writeAll(fd, buffer, control, floats[OFFSET] ?? 0);
    floats[TOOK_MS] = performance.now() - startedMs;
    Atomics.store(control, DONE, seen);
    Atomics.notify(control, DONE);
  }
}

function receive(): BufferMessage | null {
  if (parentPort === null) return null;
  const received = receiveMessageOnPort(parentPort);
  return received === undefined ? null : (received.message as BufferMessage);
}

function writeAll(fd: number, buffer: Uint8Array, control: Int32Array, offset: number): number {
  const start = control[START] ?? 0;
  const size = control[SIZE] ?? 0;
  if (start + size > buffer.length) return EIO;
  return writeDurably(fd, buffer, start, size, offset);
}

/** Writes `size` bytes of `buffer` from `start` on at `offset` of the file, on this thread. 0, or the system's answer. */
export function writeDurably(
  fd: number,
  buffer: Uint8Array,
  start: number,
  size: number,
  offset: number,
): number {
  try {
    for (let done = 0; done < size;) {
      done += writeSync(fd, buffer, start + done, size - done, offset + done);
    }
    return 0;
  } catch (error) {
    return (error as SystemError).errno ?? EIO;
  }
}

/** The loop imports the slots from here as well: only the thread that was given a control block serves. */
function isOurs(data: unknown): data is StorageWorkerData {
  return typeof data === "object" && data !== null && "logControl" in data;
}

if (isOurs(workerData)) {
  const { logControl, spins } = workerData;
  serve(new Int32Array(logControl, 0, 7), new Float64Array(logControl, FLOATS_BYTE, 2), spins);
}
