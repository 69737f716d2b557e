/** A watch's body: JSON documents, one a line, until the server ends it or falls silent. */
import type { Readable } from "node:stream";
import type { KubeObject, WatchEvent } from "./api.ts";
import { KubeError } from "./api.ts";
import { errorOf, isStatus } from "./status.ts";
import { unreachableError } from "./transport.ts";

const NEWLINE = 0x0a;
/** Objects are at most a few MiB in etcd, and JSON is no more than a few times that. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Yields what the lines say. Ends when the server ends the body or `signal` fires; rejects with "timeout" after `silenceMs`
 * without a byte, and with the error that the server put into the stream. The body is destroyed in any case.
 */
export async function* watchEvents(
  body: Readable,
  silenceMs: number,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    body.destroy();
  }, silenceMs);
  const abort = (): void => void body.destroy();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    for await (const line of linesOf(body, () => timer.refresh())) yield eventOf(line);
  } catch (thrown) {
    if (signal.aborted) return;
    if (!silent) throw unreachableError(thrown);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    body.destroy();
  }
  if (silent && !signal.aborted) {
    throw new KubeError("timeout", `the API server says nothing to a watch for ${silenceMs} ms`);
  }
}

/** Lines without their newline. A last line that has none was cut off, and is dropped. */
async function* linesOf(body: Readable, onBytes: () => void): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    onBytes();
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      const line = Buffer.concat([...rest, chunk.subarray(from, end)]).toString();
      rest = [];
      size = 0;
      from = end + 1;
      if (line.trim() !== "") yield line;
    }
    if (from === chunk.length) continue;
    rest.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > LINE_BYTES_MAX) {
      throw new KubeError("internal", `a watch's line is longer than ${LINE_BYTES_MAX} bytes`);
    }
  }
}

function eventOf(line: string): WatchEvent {
  const { type, object } = parse(line);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: withoutManagedFields(object as KubeObject) };
    case "BOOKMARK": {
      const resourceVersion = (object as KubeObject).metadata.resourceVersion ?? "";
      return { type, resourceVersion };
    }
    case "ERROR":
      throw errorOf((isStatus(object) ? object.code : undefined) ?? 500, object, null);
    default:
      throw new KubeError("internal", `a watch says "${String(type)}", which is no event`);
  }
}

function parse(line: string): { type: unknown; object: unknown } {
  try {
    const value = JSON.parse(line) as { type?: unknown; object?: unknown } | null;
    return { type: value?.type, object: value?.object };
  } catch (thrown) {
    throw new KubeError("internal", "a line of a watch is no JSON", { cause: thrown });
  }
}

/** Nobody here reads them, and they are as large as the rest. An update without them leaves them as they are. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  Reflect.deleteProperty(object.metadata, "managedFields");
  return object;
}
