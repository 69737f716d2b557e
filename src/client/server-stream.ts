/** A server's stream as an async iteration, whose reader sets the pace. */
import type { MethodSpec } from "../api/method.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import type { Calls, MemberCallOptions, OpenStream } from "./calls.ts";
import { type ClientError, abortedError } from "./error.ts";
import { onAborted } from "./time.ts";

/** Messages that wait for the reader before the member is told to wait, too. */
const QUEUE_MAX = 16;

/** Rejects with the error that the stream ended with. `timeoutMs` is for the opening alone. */
export async function* readServerStream<Request, Response>(
  calls: Calls,
  method: MethodSpec<Request, Response>,
  request: Request,
  options: MemberCallOptions,
): AsyncGenerator<Response, void, undefined> {
  const queue: Response[] = [];
  let waiting: Deferred<void> = deferred();
  let end: { readonly error: ClientError | null } | null = null;
  let stream: OpenStream<Request> | null = null;
  stream = await calls.stream(
    method,
    request,
    "local",
    {
      onMessage: (message) => {
        if (queue.push(message) >= QUEUE_MAX) stream?.pause();
        waiting.resolve();
      },
      onEnd: (error) => {
        end = { error };
        waiting.resolve();
      },
    },
    options,
  );
  const { signal } = options;
  const cancel = (): void => stream.cancel();
  const undo = signal === undefined ? null : onAborted(signal, cancel);
  try {
    for (;;) {
      if (signal?.aborted === true) throw abortedError(signal);
      const message = queue.shift();
      if (message !== undefined) {
        if (queue.length === 0) stream.resume();
        yield message;
      } else if (end !== null) {
        throwEnd(end);
        return;
      } else {
        await waiting.promise;
        waiting = deferred();
      }
    }
  } finally {
    undo?.();
    stream.cancel();
  }
}

function throwEnd(end: { readonly error: ClientError | null }): void {
  if (end.error !== null) throw end.error;
}
