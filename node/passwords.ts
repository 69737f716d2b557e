/**
 * Passwords to bcrypt hashes and back to "yes" or "no", in threads of their own: one takes some 60 ms by design, and a loop
 * that did it itself would stand still for as long. Passwords stay in memory.
 */
import { Worker } from "node:worker_threads";
import { API_ERRORS } from "../src/api/catalogue.ts";
import { QuorateError } from "../src/base/errors.ts";
import type { PasswordAnswer, PasswordTask } from "./password-worker.ts";

/** As many as a burst of logins may use of the machine. */
const THREADS = 2;
/** Beyond it a request is refused: some 30 s of work. */
const WAITING_MAX = 1_000;
/** A thread without work ends after so long. */
const IDLE_MS = 10_000;
/** bcrypt looks at no more. */
const PASSWORD_BYTES_MAX = 72;

interface Waiting {
  readonly task: PasswordTask;
  readonly resolve: (answer: string) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  current: Waiting | null;
  idle: NodeJS.Timeout | null;
}

export class Passwords {
  readonly #cost: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Waiting[] = [];

  /** `cost` as bcrypt has it: twice the time for each step. */
  constructor(cost: number) {
    this.#cost = cost;
  }

  /** Rejects with what etcd answers to a password that is too long, or where too many wait. */
  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
      throw new QuorateError("unknown", API_ERRORS.passwordTooLong.text);
    }
    return await this.#run({ kind: "hash", password, cost: this.#cost });
  }

  /** Against a hash; against none it takes as long, and answers false: the time tells nobody which users there are. */
  async matches(password: string, hash: string | null): Promise<boolean> {
    if (hash === null) {
      await this.#run({ kind: "hash", password, cost: this.#cost });
      return false;
    }
    return (await this.#run({ kind: "compare", password, hash })) === "true";
  }

  /** Ends the threads; who waits is answered "server stopped". */
  close(): void {
    const stopped = new QuorateError(API_ERRORS.stopped.code, API_ERRORS.stopped.text);
    for (const { reject } of this.#waiting.splice(0)) reject(stopped);
    for (const thread of this.#threads) {
      thread.current?.reject(stopped);
      this.#end(thread);
    }
  }

  #run(task: PasswordTask): Promise<string> {
    if (this.#waiting.length >= WAITING_MAX) {
      const { code, text } = API_ERRORS.tooManyRequests;
      return Promise.reject(new QuorateError(code, text));
    }
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.push({ task, resolve, reject });
    this.#assign();
    return promise;
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const free = [...this.#threads].find((thread) => thread.current === null);
      if (free === undefined && this.#threads.size >= THREADS) return;
      const thread = free ?? this.#start();
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (thread.idle !== null) clearTimeout(thread.idle);
      thread.idle = null;
      thread.current = next;
      thread.worker.ref();
      thread.worker.postMessage(next.task);
    }
  }

  #start(): Thread {
    const { url } = import.meta;
    const script = new URL(`./password-worker${url.slice(url.lastIndexOf("."))}`, url);
    const worker = new Worker(script, { name: "quorate-password", execArgv: [] });
    const thread: Thread = { worker, current: null, idle: null };
    this.#threads.add(thread);
    worker.on("message", (answer: PasswordAnswer) => this.#onAnswer(thread, answer));
    worker.on("error", (error) => {
      thread.current?.reject(new QuorateError("internal", "a password could not be judged", error));
      this.#end(thread);
      this.#assign();
    });
    return thread;
  }

  #onAnswer(thread: Thread, answer: PasswordAnswer): void {
    const { current } = thread;
    thread.current = null;
    if (answer.kind === "done") current?.resolve(answer.answer);
    else current?.reject(new QuorateError("internal", "a password could not be judged"));
    this.#assign();
    if (thread.current !== null) return;
    thread.worker.unref();
    thread.idle = setTimeout(() => this.#end(thread), IDLE_MS);
    thread.idle.unref();
  }

  #end(thread: Thread): void {
    this.#threads.delete(thread);
    if (thread.idle !== null) clearTimeout(thread.idle);
    void thread.worker.terminate();
  }
}
