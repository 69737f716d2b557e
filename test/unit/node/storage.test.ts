import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { FileLogDevice } from "../../../node/storage.ts";
import { WritePace } from "../../../node/write-pace.ts";
import { silentLogger } from "../../../src/base/ports.ts";
import type { Index } from "../../../src/raft/types.ts";
import { Wal } from "../../../src/wal/wal.ts";
import { append, contents, METADATA, run, seeded, state } from "../wal/harness.ts";

/** A fresh directory, removed with all it holds when the scope ends. */
function scratch(): { readonly path: string } & Disposable {
  const path = fs.mkdtempSync(join(tmpdir(), "quorate-storage-"));
  return { path, [Symbol.dispose]: () => fs.rmSync(path, { recursive: true }) };
}

async function openWal(directory: string, segmentBytes: number, sync = true): Promise<Wal> {
  const { wal } = await Wal.open({
    device: FileLogDevice.open({ directory, sync }),
    logger: silentLogger,
    clock: performance,
    random: seeded(3),
    metadata: METADATA,
    segmentBytes,
    onFailure: (error) => {
      throw error;
    },
  });
  return wal;
}

/** One that has seen a fast disk. */
function fastPace(): WritePace {
  const pace = new WritePace();
  for (let write = 0; write < 32; write++) pace.took(0);
  return pace;
}

/** Closes the descriptor of `path` behind the device's back: the next write fails as a broken disk's would. */
function breakFile(path: string): void {
  const fd = fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .find((one) => linkOf(one) === path);
  assert.ok(fd !== undefined);
  fs.closeSync(fd);
}

function linkOf(fd: number): string | null {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

const pattern = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 0xff);

describe("FileLogDevice", () => {
  it("makes its directory for the owner alone and writes what it is given, from any memory", async () => {
    using directory = scratch();
    const path = join(directory.path, "a", "wal");
    const device = FileLogDevice.open({ directory: path, sync: true });
    assert.equal(fs.statSync(path).mode & 0o777, 0o700);
    await device.create("one", 16384, null, () => 1);
    assert.equal(fs.statSync(join(path, "one")).mode & 0o777, 0o600);
    assert.deepEqual(device.read("one", 0, 16384), new Uint8Array(16384));
    const own = device.buffer(8192);
    const expected = new Uint8Array(16384);
    for (let round = 0; round < 20; round++) {
      own.set(pattern(8192, round));
      await device.write("one", 0, own.subarray(0, 4096));
      const other = pattern(100 + round * 300, round + 7);
      await device.write("one", 5000, other);
      expected.set(own.subarray(0, 4096), 0);
      expected.set(other, 5000);
      assert.deepEqual(new Uint8Array(fs.readFileSync(join(path, "one"))), expected);
    }
    const grown = device.buffer(16384);
    grown.fill(9);
    await device.write("one", 0, grown);
    assert.deepEqual(device.read("one", 16000, 384), new Uint8Array(384).fill(9));
    await device.close();
  });

  it("makes at leisure, in small steps, what is not needed yet", async () => {
    using directory = scratch();
    const device = FileLogDevice.open({ directory: directory.path, sync: true });
    const size = 1024 * 1024;
    const steps = { hurried: 0, idle: 0, turning: 0 };
    await device.create("hurried", size, null, () => Math.min(1, ++steps.hurried));
    await device.create("idle", size, null, () => 0 * ++steps.idle);
    await device.create("turning", size, null, () => (++steps.turning > 2 ? 1 : 0));
    assert.deepEqual(steps, { hurried: 1, idle: 4, turning: 3 });
    for (const name of device.list()) {
      assert.deepEqual(device.read(name, 0, size), new Uint8Array(size));
    }
    await device.close();
  });

  it("reuses a file by renaming it, and removes files", async () => {
    using directory = scratch();
    const device = FileLogDevice.open({ directory: directory.path, sync: true });
    await device.create("a", 4096, null, () => 1);
    await device.write("a", 0, pattern(4096, 1));
    await device.create("b", 4096, "a", () => 1);
    assert.deepEqual(device.list(), ["b"]);
    await device.write("b", 0, pattern(10, 2));
    assert.deepEqual(device.read("b", 0, 10), pattern(10, 2));
    await device.remove("b");
    assert.deepEqual([device.list(), fs.readdirSync(directory.path)], [[], []]);
    await device.close();
  });

  it("removes what an interrupted creation left and ignores directories", async () => {
    using directory = scratch();
    fs.writeFileSync(join(directory.path, "half.tmp"), "x");
    fs.mkdirSync(join(directory.path, "lost+found"));
    const device = FileLogDevice.open({ directory: directory.path, sync: true });
    assert.deepEqual(device.list(), []);
    assert.deepEqual(fs.readdirSync(directory.path), ["lost+found"]);
    await device.close();
  });

  it("rejects a write that the system refuses, naming file, offset and error, whichever thread made it", async () => {
    for (const pace of [new WritePace(), fastPace()]) {
      using directory = scratch();
      const device = FileLogDevice.open({ directory: directory.path, sync: true, pace });
      await device.create("one", 8192, null, () => 1);
      const path = join(directory.path, "one");
      const readOnly = fs.openSync(path, "r");
      breakFile(path);
      const message = /one offset 4096: EBADF/;
      const writing = device.write("one", 4096, new Uint8Array(4096));
      await assert.rejects(writing, { code: "storage", message });
      fs.closeSync(readOnly);
      await assert.rejects(device.close());
    }
  });

  it("makes small writes to a fast disk itself, after what the caller had to do and before anything else", async () => {
    using directory = scratch();
    const pace = fastPace();
    const device = FileLogDevice.open({ directory: directory.path, sync: true, pace });
    await device.create("one", 16384, null, () => 1);
    const path = join(directory.path, "one");
    let elsewhere = false;
    setImmediate(() => (elsewhere = true));
    const small = device.write("one", 0, pattern(4096, 1));
    assert.equal(fs.readFileSync(path)[1], 0, "the caller's turn ends first");
    await small;
    assert.equal(elsewhere, false, "nobody else had a turn");
    assert.deepEqual(device.read("one", 0, 4096), pattern(4096, 1));
    await device.write("one", 4096, pattern(8192, 2));
    assert.deepEqual(device.read("one", 4096, 8192), pattern(8192, 2));
    await device.close();
  });

  it("throws storage where the directory cannot be made", () => {
    using directory = scratch();
    fs.writeFileSync(join(directory.path, "file"), "x");
    const wrong = join(directory.path, "file", "wal");
    assert.throws(() => FileLogDevice.open({ directory: wrong, sync: true }), { code: "storage" });
  });
});

describe("Wal on files", () => {
  it("keeps a log through turns of segments and a restart, synced or not", async () => {
    for (const sync of [true, false]) {
      using directory = scratch();
      const wal = await openWal(directory.path, 65536, sync);
      const waits: Promise<void>[] = [];
      for (let i = 1; i <= 300; i++)
        waits.push(append(wal, run(i, i + 1, 1, "v".repeat(i)), state(1, 0, 0)));
      await Promise.all(waits);
      for (let i = 301; i <= 360; i++) {
        await append(wal, run(i, i + 1, 1, "v"));
        wal.release((i - 20) as Index);
      }
      const held = contents(wal);
      await wal.close();
      const again = await openWal(directory.path, 65536, sync);
      const found = contents(again);
      await again.close();
      // A release that close came before leaves its segment for the next start.
      assert.deepEqual(found.slice(-held.length), held);
      assert.equal(found.at(-1), "360:1:v360");
    }
  });

  it("lets the process end once it is closed", () => {
    using directory = scratch();
    const script = `
      import { FileLogDevice } from ${JSON.stringify(new URL("../../../node/storage.ts", import.meta.url).href)};
      const device = FileLogDevice.open({ directory: ${JSON.stringify(directory.path)}, sync: true });
      await device.create("a", 4096, null, () => 1);
      await device.write("a", 0, new Uint8Array(4096));
      await device.close();
      console.log("closed");`;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      timeout: 10_000,
      encoding: "utf8",
    });
    assert.deepEqual([stdout, status], ["closed\n", 0]);
  });

  it("has every entry that was reported durable when its process was killed at a random moment", async () => {
    using directory = scratch();
    const seed = Date.now() % 1_000_000;
    const random = seeded(seed);
    const script = fileURLToPath(new URL("./storage-writer.ts", import.meta.url));
    let durable = 0;
    for (let round = 0; round < 10; round++) {
      const child = spawn(process.execPath, [script, directory.path, String(seed + round)]);
      let output = "";
      let errors = "";
      child.stderr.on("data", (chunk) => (errors += String(chunk)));
      await new Promise<void>((resolve) => {
        child.stdout.on("data", (chunk) => {
          output += String(chunk);
          resolve();
        });
        child.once("exit", () => resolve());
      });
      await new Promise((settle) => setTimeout(settle, random.between(0, 120)));
      const exited = once(child, "close");
      child.kill("SIGKILL");
      await exited;
      assert.equal(errors, "", `seed ${seed} round ${round}`);
      const reported = output.split("\n").slice(0, -1).map(Number);
      assert.ok(reported.length > 0, `seed ${seed} round ${round}: nothing was written`);
      durable = Math.max(durable, reported.at(-1) ?? 0);
      const wal = await openWal(directory.path, 128 * 1024);
      assert.ok(
        wal.lastIndex() >= durable,
        `seed ${seed} round ${round}: ${wal.lastIndex()} < ${durable}`,
      );
      const held = contents(wal, 1 << 20);
      held.forEach((row, i) => {
        const index = wal.firstIndex() + i;
        assert.match(row, new RegExp(`^${index}:1:x*${index}$`), `seed ${seed} round ${round}`);
      });
      assert.equal(held.length, wal.lastIndex() - wal.firstIndex() + 1);
      durable = wal.lastIndex();
      await wal.close();
    }
  });
});
