/** Whoever runs operators: each that was killed begins again after a while. */
import type { Judges } from "./judges.ts";
import { CALM, OperatorProcess, type Weather } from "./operators.ts";
import type { Sandbox } from "./sandbox.ts";

/** Starts an operator again whenever it was killed. */
export class Supervisor {
  readonly #sandbox: Sandbox;
  readonly #judges: Judges;
  #weather: Weather;
  readonly #running = new Set<OperatorProcess>();
  #isCalm = false;
  #isOver = false;
  /** Those that ended before it was calm. */
  kills = 0;

  constructor(sandbox: Sandbox, judges: Judges, weather: Weather) {
    this.#sandbox = sandbox;
    this.#judges = judges;
    this.#weather = weather;
  }

  start(name: string): void {
    if (this.#isOver || (this.#isCalm && name !== "one")) return;
    const random = this.#sandbox.random.fork(`${name} ${this.#sandbox.time.now()}`);
    const process = new OperatorProcess(this.#sandbox, this.#judges, random, this.#weather);
    this.#running.add(process);
    void process.run().then(() => {
      this.#running.delete(process);
      if (!this.#isCalm) this.kills++;
      this.#sandbox.time.after(random.between(0, 5_000), () => this.start(name));
    });
  }

  /** One operator with a long life from now on. */
  calm(): void {
    this.#isCalm = true;
    this.#weather = CALM;
    for (const process of this.#running) process.kill();
  }

  stop(): void {
    this.#isOver = true;
    for (const process of this.#running) process.kill();
  }
}
