import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { setVerifying } from "../../../src/base/assert.ts";
import { Log } from "../../../src/raft/log.ts";
import type { Ready } from "../../../src/raft/ready.ts";
import { EntryKind, makeEntry } from "../../../src/raft/types.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { MemoryLog, index, term } from "../../unit/raft/member.ts";

setVerifying(true);

/** The log as it is defined: an array, index 1 first. */
type Naive = Entry[];

function entry(at: number, of: number): Entry {
  return makeEntry(term(of), index(at), EntryKind.normal, new Uint8Array(at % 5));
}

const EMPTY_READY = { hardState: null, snapshot: null } as Partial<Ready> as Ready;

interface Write {
  readonly append: readonly Entry[];
}

class Twin {
  readonly storage: MemoryLog = new MemoryLog({ voters: [], learners: [] });
  readonly log: Log;
  naive: Naive = [];
  writes: Write[] = [];
  readonly handedOut: Entry[] = [];
  term = 1;

  constructor(cachedBytesMax: number) {
    const { hardState } = this.storage.initial();
    this.log = new Log(this.storage, hardState, { applied: index(0), cachedBytesMax });
  }

  /** A leader of a new term replaces everything from `back` entries before the end, if it is not committed. */
  merge(back: number, count: number, newTerm: boolean): void {
    if (newTerm) this.term++;
    const from = Math.max(this.log.committed, this.naive.length - back);
    const entries = Array.from({ length: count }, (_, at) => entry(from + 1 + at, this.term));
    const conflict = entries.findIndex((one) => this.naive[one.index - 1]?.term !== one.term);
    if (conflict >= 0) {
      this.naive.length = from + conflict;
      this.naive.push(...entries.slice(conflict));
    }
    assert.equal(this.log.merge(index(from), entries), from + count);
  }

  write(): void {
    if (!this.log.hasUnwritten()) return;
    this.writes.push(this.log.takeUnwritten());
  }

  persist(): void {
    const write = this.writes.shift();
    const last = write?.append.at(-1);
    if (write === undefined || last === undefined) return;
    this.storage.write({ ...EMPTY_READY, append: write.append });
    this.log.persistedTo(last.index, last.term);
  }

  check(): void {
    const { log, naive, storage } = this;
    assert.equal(log.last, naive.length);
    assert.equal(log.lastTerm, naive.at(-1)?.term ?? 0);
    for (const one of naive) assert.equal(log.term(one.index), one.term);
    assert.equal(log.term(index(naive.length + 1)), null);
    // What counts as durable is on the disk, as it is in the log, and no write that is under way takes it back.
    assert.ok(log.persisted <= storage.lastIndex());
    for (let at = 1; at <= log.persisted; at++) {
      assert.equal(storage.term(index(at)), naive[at - 1]?.term);
    }
    for (const { append } of this.writes) {
      for (const one of append) {
        if (one.index <= log.persisted) assert.equal(one.term, naive[one.index - 1]?.term);
      }
    }
    this.handedOut.forEach((one, at) => assert.equal(one, naive[at]));
  }
}

describe("Log", () => {
  it("answers as an array would, whatever is replaced while it is being written", () => {
    const command = fc.oneof(
      fc.record({ back: fc.nat(4), count: fc.nat(4), newTerm: fc.boolean() }),
      fc.constantFrom("write" as const, "persist" as const, "commit" as const, "take" as const),
      fc.record({ trimTo: fc.nat(400) }),
      fc.record({ from: fc.nat(30), bytes: fc.nat(12) }),
      fc.record({ conflict: fc.nat(30), of: fc.nat(9) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), fc.boolean(), (commands, cached) => {
        const twin = new Twin(cached ? 1 << 20 : 0);
        const { log } = twin;
        for (const one of commands) {
          if (one === "write") twin.write();
          else if (one === "persist") twin.persist();
          else if (one === "commit") log.commitTo(index((log.committed + twin.naive.length) >> 1));
          else if (one === "take") {
            twin.handedOut.push(...log.takeCommitted());
            log.appliedTo(log.handedOut);
          } else if ("trimTo" in one) {
            log.trim(one.trimTo);
            const kept = log.last - Math.min(log.persisted, log.applied);
            assert.ok(log.cachedBytes <= one.trimTo || log.cachedBytes <= kept * 165);
          } else if ("back" in one) twin.merge(one.back, one.count, one.newTerm);
          else if ("from" in one) {
            if (one.from < 1 || one.from > twin.naive.length) continue;
            const found = log.entries(index(one.from), index(twin.naive.length + 1), one.bytes);
            assert.ok(found !== null && found.length > 0);
            found.forEach((each, at) => assert.equal(each, twin.naive[one.from - 1 + at]));
            const bytes = found.reduce((sum, each) => sum + each.data.length, 0);
            assert.ok(found.length === 1 || bytes <= one.bytes);
          } else {
            const from = Math.min(one.conflict, twin.naive.length);
            let at = from;
            while (at > 0 && (twin.naive[at - 1]?.term ?? 0) > one.of) at--;
            assert.equal(log.findConflict(index(from), term(one.of)).index, at);
          }
          twin.check();
        }
      }),
      { numRuns: 400 },
    );
  });
});
