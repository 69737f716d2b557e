/** The commands of Raft transcripts, over real cores whose disks, state machines and network wait for a command. */
import assert from "node:assert/strict";
import {
  describeEntries,
  describeMessage,
  describePeer,
  describeReady,
  describeStatus,
} from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftConfig } from "../../src/raft/raft.ts";
import type { Membership, MembershipChange } from "../../src/raft/types.ts";
import { Member, entryText, fixedRandom, id, index } from "../unit/raft/member.ts";
import type { Execute } from "./runner.ts";

/** Members, options and numbers of one command line. */
interface Words {
  readonly name: string;
  readonly numbers: readonly number[];
  readonly rest: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

function parse(line: string): Words {
  const [name = "", ...words] = line.split(" ");
  const options = new Map<string, string>();
  const rest: string[] = [];
  for (const word of words) {
    const [key = "", value] = word.split("=");
    if (value === undefined) rest.push(word);
    else options.set(key, value);
  }
  const numbers = rest.filter((word) => /^\d+$/.test(word)).map(Number);
  return { name, numbers, rest, options };
}

export class RaftTranscript {
  readonly #members: Map<number, Member> = new Map();
  /** Left their sender, not yet delivered, in order. */
  #flying: Message[] = [];
  #config: Partial<RaftConfig> = {};
  #founders: Membership = { voters: [], learners: [] };

  readonly execute: Execute = (line) => {
    const words = parse(line);
    const command = this.#commands[words.name];
    assert.ok(command !== undefined, `there is a command ${words.name}`);
    const lines = command(words);
    this.#collect();
    return lines;
  };

  readonly #commands: Record<string, (words: Words) => readonly string[]> = {
    // members voters=1,2,3 [learners=4] [prevote=on] [checkquorum=on] [inflight=3] [append=bytes]
    members: (words) => this.#makeMembers(words),
    // join 4: a member with an empty log, that knows the founders
    join: ({ numbers: [number = 0] }) => {
      const membership = this.#founders;
      this.#members.set(number, new Member(id(number), { membership, config: this.#config }));
      return [];
    },
    campaign: ({ numbers: [one = 0] }) => this.#step(one, { kind: "campaign" }),
    tick: ({ numbers: [one = 0, count = 1] }) => {
      this.#at(one).tick(count);
      return [];
    },
    propose: ({ numbers: [one = 0], rest }) => outcome(this.#at(one).propose(...rest.slice(1))),
    change: ({ rest: [one = "", kind = "", target = ""] }) =>
      outcome(this.#at(Number(one)).proposeChange(toChange(kind, Number(target)))),
    transfer: ({ numbers: [one = 0, target = 0] }) =>
      this.#step(one, { kind: "transfer", target: id(target) }),
    read: ({ numbers: [one = 0, request = 0] }) => this.#step(one, { kind: "read", request }),
    unreachable: ({ numbers: [one = 0, peer = 0] }) =>
      this.#step(one, { kind: "unreachable", peer: id(peer) }),
    "snapshot-result": ({ numbers: [one = 0, peer = 0], rest }) =>
      this.#step(one, { kind: "snapshotResult", peer: id(peer), ok: rest.includes("ok") }),
    // ready 1 2: one Ready of each that has one
    ready: ({ numbers }) => numbers.flatMap((one) => this.#ready(one)),
    // write 1 2: the oldest batch of each becomes durable
    write: ({ numbers }) => numbers.flatMap((one) => this.#write(one)),
    apply: ({ numbers }) => {
      for (const one of numbers) while (this.#at(one).applyOne());
      return [];
    },
    // deliver 1 2: everything that flies to them, in order
    deliver: ({ numbers }) => this.#deliver(numbers),
    drop: ({ numbers }) => {
      this.#flying = this.#flying.filter((message) => !numbers.includes(Number(message.to)));
      return [];
    },
    // settle [1 2] [quiet]: everything they can do among themselves; all if none is named
    settle: (words) => this.#settle(words),
    crash: ({ numbers }) => {
      for (const one of numbers) this.#at(one).restart();
      return [];
    },
    // compact 1 12: its log begins after 12; it offers its applied state
    compact: ({ numbers: [one = 0, at = 0] }) => {
      const { log, applied, status } = this.#at(one);
      log.compact(index(at), applied.membership);
      const reached = log.term(applied.index);
      assert.ok(reached !== null && status.applied === applied.index);
      log.offered = { index: applied.index, term: reached, membership: applied.membership };
      return [];
    },
    state: ({ numbers }) => {
      const asked = numbers.length > 0 ? numbers : [...this.#members.keys()];
      return asked.map((one) => describeStatus(this.#at(one).status));
    },
    progress: ({ numbers: [one = 0] }) => this.#at(one).status.progress.map(describePeer),
    // log 1: what is durable; the transcript of a log in memory is that of its state
    log: ({ numbers }) =>
      numbers.map((one) => {
        const { log } = this.#at(one);
        const from = log.origin.index === 0 ? "" : `(${log.origin.index}/${log.origin.term}) `;
        return `${one}: ${from}${log.entriesHeld.map(entryText).join(" ")}`.trimEnd();
      }),
    flying: () => this.#flying.map(describeMessage),
  };

  #makeMembers({ options }: Words): readonly string[] {
    const voters = numbersOf(options.get("voters"));
    const learners = numbersOf(options.get("learners"));
    const membership: Membership = { voters: voters.map(id), learners: learners.map(id) };
    this.#founders = membership;
    this.#config = {
      // Timeouts are 15 ticks, so that a leader's lease, 10, can end before its follower stands for election.
      random: fixedRandom(5),
      preVote: options.get("prevote") === "on",
      checkQuorum: options.get("checkquorum") === "on",
      inflightMessagesMax: Number(options.get("inflight") ?? 256),
      appendBytesMax: Number(options.get("append") ?? 1 << 20),
    };
    for (const one of [...voters, ...learners]) {
      this.#members.set(one, new Member(id(one), { membership, config: this.#config }));
    }
    return [];
  }

  #at(number: number): Member {
    const member = this.#members.get(number);
    assert.ok(member !== undefined, `there is a member ${number}`);
    return member;
  }

  #step(one: number, input: Parameters<Member["raft"]["step"]>[0]): readonly string[] {
    return outcome(this.#at(one).raft.step(input));
  }

  #ready(one: number): readonly string[] {
    const member = this.#at(one);
    if (!member.raft.hasReady()) return [`${one}: nothing`];
    const lines = describeReady(member.takeReady());
    return lines.length === 0 ? [`${one}: empty`] : lines.map((line) => `${one}: ${line}`);
  }

  #write(one: number): readonly string[] {
    const member = this.#at(one);
    const [next] = member.writes;
    if (next === undefined) return [`${one}: nothing`];
    const { append, snapshot } = next;
    member.writeOne();
    const jump = snapshot === null ? "" : ` snapshot ${snapshot.index}/${snapshot.term}`;
    return [`${one}: durable${jump} ${describeEntries(append)}`];
  }

  #deliver(numbers: readonly number[]): readonly string[] {
    const lines: string[] = [];
    const later: Message[] = [];
    const now: Message[] = [];
    for (const message of this.#flying) {
      if (numbers.includes(Number(message.to))) now.push(message);
      else later.push(message);
    }
    this.#flying = later;
    for (const message of now) {
      lines.push(describeMessage(message));
      this.#members.get(Number(message.to))?.receive(message);
    }
    return lines;
  }

  #collect(): void {
    for (const member of this.#members.values()) this.#flying.push(...member.outbox.splice(0));
  }

  #settle({ numbers, rest }: Words): readonly string[] {
    const asked = numbers.length > 0 ? numbers : [...this.#members.keys()];
    const lines: string[] = [];
    for (let round = 0; round < 1000; round++) {
      let busy = false;
      for (const one of asked) {
        const member = this.#at(one);
        while (member.raft.hasReady()) {
          lines.push(...this.#ready(one));
          busy = true;
        }
        while (member.writeOne()) busy = true;
        while (member.applyOne()) busy = true;
      }
      this.#collect();
      const delivered = this.#deliver(asked);
      lines.push(...delivered);
      if (!busy && delivered.length === 0) return rest.includes("quiet") ? [] : lines;
    }
    assert.fail("members come to rest");
  }
}

function outcome(result: string): readonly string[] {
  return result === "done" ? [] : [result];
}

function numbersOf(text: string | undefined): readonly number[] {
  return text === undefined ? [] : text.split(",").map(Number);
}

function toChange(kind: string, target: number): MembershipChange {
  assert.ok(kind === "addVoter" || kind === "addLearner" || kind === "remove");
  return { kind, id: id(target) };
}
