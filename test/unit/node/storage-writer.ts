/** A process that writes a log through the real thread until it is killed, and says after each batch what is durable. */
import { writeSync } from "node:fs";
import { FileLogDevice } from "../../../node/storage.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import { Wal } from "../../../src/wal/wal.ts";
import { METADATA, run, seeded, state } from "../wal/harness.ts";

const directory = process.argv[2] ?? "";
const random = seeded(Number(process.argv[3]));
const { wal } = await Wal.open({
  device: FileLogDevice.open({ directory, sync: true }),
  logger: silentLogger,
  clock: performance,
  random,
  metadata: METADATA,
  segmentBytes: 128 * 1024,
  onFailure: (error) => {
    throw error;
  },
});

let next = wal.lastIndex() + 1;
let round = 0;

function step(): void {
  const end = next + random.between(1, 60);
  const entries = run(next, end, 1, "x".repeat(random.between(0, 200)));
  next = end;
  round += 1;
  wal.append(entries, state(1, 1, 0), () => {
    writeSync(1, `${end - 1}\n`);
    wal.release(Math.max(1, end - 2000) as never);
    setImmediate(step);
  });
}

for (let i = 0; i < 3; i++) step();
