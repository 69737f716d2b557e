/** A reply's message on its way to the client. */
import type { AnyMessage } from "../../src/api/method.ts";
import type { HttpStream } from "../../src/grpc/service.ts";
import { encodeJson } from "./json-encode.ts";
import { QUEUED_BYTES_MAX } from "./reply.ts";

/** Writes a message, part by part as the client takes them, and never for long at a time. `prefix` and `suffix` go around it. */
export class Rendering {
  readonly #stream: HttpStream;
  readonly #parts: Generator<string, void>;
  readonly #suffix: string;
  readonly #onDone: () => void;
  #prefix: string;

  constructor(
    stream: HttpStream,
    message: { readonly type: AnyMessage; readonly bytes: Uint8Array; readonly line: boolean },
    onDone: () => void,
  ) {
    this.#stream = stream;
    this.#parts = encodeJson(message.type, message.bytes, message.line);
    this.#prefix = message.line ? '{"result":' : "";
    this.#suffix = message.line ? "}\n" : "";
    this.#onDone = onDone;
  }

  /** The first part; as a rule it is the only one, and `rest` is then not needed. */
  first(): { readonly text: string; readonly complete: boolean } {
    const text = this.#prefix + (this.#take() ?? "");
    this.#prefix = "";
    const more = this.#take();
    if (more === null) return { text: text + this.#suffix, complete: true };
    this.#prefix = more;
    return { text, complete: false };
  }

  /** Writes what `first` has left, and calls `onDone` when all is written. */
  rest(): void {
    const part = this.#take();
    this.#stream.write(Buffer.from(this.#prefix + (part ?? this.#suffix)));
    this.#prefix = "";
    if (part === null) this.#onDone();
    else this.#stream.onDrained(QUEUED_BYTES_MAX, () => setImmediate(() => this.rest()));
  }

  #take(): string | null {
    const next = this.#parts.next();
    return next.done === true ? null : next.value;
  }
}
